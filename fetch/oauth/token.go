package oauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailretr/store/mail"
)

const (
	// early is how long before its end an access token is replaced: a login on a slow line takes its time.
	early = 5 * time.Minute
	// usable is the least that has to be left of one where it could not be replaced.
	usable = 30 * time.Second
	// unknownLife is believed of a token that comes without an end.
	unknownLife = 30 * time.Minute
	// grace is how long an answer under way is waited for after the caller has gone: it may bring a refresh
	// token that replaces the old one.
	grace = 5 * time.Second
	// fresh is how old a token may be that no other one could be better than.
	fresh = time.Minute
	// maxToken bounds a token, in octets.
	maxToken = 32 << 10
)

// Token returns an access token that is good for some minutes, refreshing it where that is needed. An error
// is a *mail.Trouble: of kind Auth where the owner has to consent (again), with what to do.
func (a *Account) Token(ctx context.Context) (string, error) {
	done, err := a.take(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	if err := a.load(ctx); err != nil {
		return "", err
	}
	switch {
	case a.grant == nil:
		return "", a.consent(errors.New("nobody has signed in yet"))
	case a.unsaved:
		if err := a.save(ctx); err != nil {
			return "", err
		}
	}
	left := a.grant.Expiry.Sub(a.keeper.now())
	good := a.grant.Access != "" && !a.grant.Denied
	if good && left > margin(a.grant.Life) {
		return a.grant.Access, nil
	}
	err = a.refresh(ctx)
	if err == nil {
		return a.grant.Access, nil
	}
	var t *mail.Trouble
	passing := errors.As(err, &t) && (t.Kind == mail.Unreachable || t.Kind == mail.Busy)
	if passing && good && left > usable {
		return a.grant.Access, nil // the provider can wait until the next time
	}
	return "", err
}

// margin is early, or a quarter of a short life.
func margin(life int64) time.Duration {
	if quarter := time.Duration(life) * time.Second / 4; life > 0 && quarter < early {
		return quarter
	}
	return early
}

// Refused says that a server did not take this access token. It returns whether another one may be better:
// the next Token gets it. One that is fresh from the provider is as good as they come; after it every visit
// asks for another, so that a login which is refused for good is never taken for a token that was too old.
func (a *Account) Refused(ctx context.Context, token string) (again bool) {
	done, err := a.take(ctx)
	if err != nil {
		return false
	}
	defer done()
	if a.grant == nil || a.grant.Access != token {
		return true // it has been replaced meanwhile
	}
	age := a.keeper.now().Sub(a.obtained)
	again = a.obtained.IsZero() || age < 0 || age > fresh
	if again {
		a.grant.Access = "" // nobody shall show it again, not after a restart either
	} else {
		a.grant.Denied = true
	}
	a.unsaved = true
	_ = a.save(context.WithoutCancel(ctx)) // the next Token tries again, and tells
	return again
}

// Accepted says that a server took a token.
func (a *Account) Accepted(ctx context.Context) {
	done, err := a.take(ctx)
	if err != nil {
		return
	}
	defer done()
	if a.grant != nil && a.grant.Denied {
		a.grant.Denied, a.unsaved = false, true
		_ = a.save(context.WithoutCancel(ctx)) // as above
	}
}

// Forget removes the consent, here; what the provider has is not its business. An error is a *mail.Trouble.
func (a *Account) Forget(ctx context.Context) error {
	done, err := a.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := a.keeper.Store.Save(ctx, a.id, nil); err != nil {
		return a.local(fmt.Errorf("forgetting the consent: %w", err))
	}
	a.grant, a.loaded, a.unsaved = nil, true, false
	return nil
}

// refresh gets a new access token. It is not broken off at once when ctx ends; the request has a limit of its own, from
// when it has its turn. The turn is held.
func (a *Account) refresh(ctx context.Context) error {
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	return a.renew(long)
}

// renew asks, and takes in what is answered.
func (a *Account) renew(ctx context.Context) error {
	c, err := a.config(ctx, "")
	if err != nil {
		return err
	}
	old := a.grant
	t, err := c.TokenSource(a.with(ctx), &oauth2.Token{RefreshToken: old.Refresh}).Token()
	if err != nil {
		return a.trouble(err, old.Refresh, old.Access, c.ClientSecret)
	}
	return a.adopt(ctx, t, old.At)
}

// adopt makes a token the account's own: only when it is durable the old one is forgotten. The turn is held.
func (a *Account) adopt(ctx context.Context, t *oauth2.Token, consented time.Time) error {
	if err := a.judge(t); err != nil {
		return err
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	if life <= 0 && !t.Expiry.IsZero() {
		life = time.Until(t.Expiry) // of an answer that is a form
	}
	if life <= 0 {
		life = unknownLife
	}
	denied := a.grant != nil && a.grant.Denied && a.grant.At.Equal(consented) // a new consent begins anew
	a.grant = &grant{Refresh: t.RefreshToken, Access: t.AccessToken, Expiry: a.keeper.now().Add(life),
		Life: int64(life.Seconds()), At: consented, Denied: denied}
	a.obtained = a.keeper.now()
	a.loaded, a.unsaved = true, true
	return a.save(context.WithoutCancel(ctx)) // the refresh token that is kept may be good for nothing by now
}

// judge refuses what is no token that could be shown to a mail server.
func (a *Account) judge(t *oauth2.Token) error {
	for _, s := range []string{t.AccessToken, t.RefreshToken} {
		if len(s) > maxToken || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return a.foreign("the provider's answer holds something that is no token")
		}
	}
	if !strings.EqualFold(t.Type(), "Bearer") {
		return a.foreign("the provider gives tokens of a kind that mail servers do not take")
	}
	if t.RefreshToken == "" {
		x := a.consent(errors.New("the provider gave no refresh token, so that it would end within the hour"))
		x.Hint = "Ask for offline access: most providers want the scope offline_access, " +
			"or consent given anew."
		return x
	}
	return nil
}
