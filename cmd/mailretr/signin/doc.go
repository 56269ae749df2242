// Package signin says who somebody is who comes to the web page with a name and a password.
//
// It promises that an empty password, and a name or password that could be something else to a server, reach no back end;
// that a refusal takes as long for a user that is not there as for a wrong password; that each back end has an end in
// time, and few questions are under way at once; that what a user typed never becomes SQL, a filter or a DN; and that no
// password is in any text of an error.
//
// It leaves sessions, cookies, and how often somebody may try to package web, and which maildrops belong to an owner.
//
// Read first: [Checker], [Guard].
package signin
