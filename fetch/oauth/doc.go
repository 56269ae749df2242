// Package oauth has the consents by which maildrops are collected without a password (RFC 6749): it gets the
// first token from the owner, keeps it encrypted, and refreshes access tokens in time.
//
// It promises that a refresh token is on the disk before the one it replaces is forgotten, and that an answer
// of the provider which is under way when the process is asked to stop is still taken in: a provider that
// withdraws the old token at once locks nobody out. Whoever was killed between the answer and the disk tries
// the old token again, which is good with every provider that gives it a grace (RFC 9700, 4.14.2), and else
// says clearly that consent is needed. Tokens, codes and secrets are in no error, log or page; they go to
// https:// only (http:// on this machine, for tests), and no redirect is followed with them. What a provider
// answers is bounded in size and time.
//
// It leaves to relay/sasl how a token is shown to a server, to its [Store] where a consent lies, and to
// cmd/mailretr who is asked, and on which screen. golang.org/x/oauth2 speaks the protocol: authorization code
// with PKCE (RFC 7636) to a loopback address (RFC 8252) or pasted by hand, device flow (RFC 8628), refresh.
// Of that library's errors nothing is shown as it stands: they hold the provider's page.
//
// Read first: [Account.Token], then [Account.Begin].
package oauth
