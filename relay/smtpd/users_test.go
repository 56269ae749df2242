package smtpd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/relay/passwd"
)

// hashes of "open sesame", as doveadm pw and openssl passwd -6 wrote them.
var hashes = map[string]string{
	"bcrypt": "{BLF-CRYPT}$2y$05$qNe2jf/b9Spbafp31.rRjeBvE5TR8UOQR9vG1RVpLD0w5lLLNs93C",
	"argon": "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$ce3LL4swqDDE4q1s5XakZg$" +
		"Snfd3kdaW6mMWyAozpT+XL0/N97+jZi2roxxrvdnTcQ",
	"scram": "{SCRAM-SHA-256}4096,GmsmEjsLGVhMM6y+JcTWSA==,TAUqzPqGEQjwRs24ldPgoEJx7aSn9nKuPFNYQygdKzw=," +
		"0/lKez149aZ3rduk0IGUXVfpdtSva5qHYgO76bRg5nA=",
	"sha512": "{SHA512-CRYPT}$6$axxfiO7/iJsqkdTp$X/arKqECOeFPzlD3friD4gFBHEEBpIJdNWGNbeKAFTUffa3q7UiWgjTOieJTIGGnF7s" +
		"TsIHUf8bjIePTln84L1",
	"openssl": "$6$saltstring$b4SOQO.YI.BXjgbKQa.97c9EQud0NW8Txr5rCRGsAucjEsL95TW5MDF/7KcC3bcG5NoxZbmB6Lh82fxg8soAZ0",
}

// TestHashes: each tool's hash knows its password, and no other.
func TestHashes(t *testing.T) {
	u := users(t)
	for name := range hashes {
		if !u.Check(name, "open sesame") {
			t.Errorf("%s: the password is not known", name)
		}
		for _, wrong := range []string{"", "open sesam", "open sesame ", "open sesame\x00", "Open sesame"} {
			if u.Check(name, wrong) {
				t.Errorf("%s: %q is taken for the password", name, wrong)
			}
		}
	}
	for _, who := range []string{"", "nobody", "bcryp"} {
		if u.Check(who, "open sesame") {
			t.Errorf("%q may log in", who)
		}
	}
	long, err := passwd.Parse("$6$mRgMvnfUbkZx23Sp$Xc37JUvJ1NIgwVMFo6IcjaxMUqRE7KOQCwghv204goa/rjBOFdRE3eYVoVvj4WdRVu2ESIlY5DVgkf45zZUay1")
	if err != nil || !long.Check("rather long password with more than sixty-four octets, so that it is repeated, ok?") {
		t.Error("a long password is not known to SHA-512 of crypt(3)")
	}
}

// TestH3_BadHashes: what is none is told by its line, and not shown.
func TestH3_BadHashes(t *testing.T) {
	for _, text := range []string{
		"a", "a:", "a:secret", ":$6$x$y", "a:$6$salt$short", "a:$2y$99$x", "a:$argon2id$v=18$m=65536,t=3,p=1$ce3LL4swqDDE4q1s5XakZg$AA",
		"a:$argon2id$v=19$m=99999999,t=3,p=1$ce3LL4swqDDE4q1s5XakZg$Snfd3kdaW6mMWyAozpT+XL0/N97+jZi2roxxrvdnTcQ",
		"a:{SCRAM-SHA-256}0,x,y,z", "a:{SCRAM-SHA-256}4096,,,", "a:{PLAIN}secret", "b:" + hashes["openssl"] + "\nb:" + hashes["openssl"],
	} {
		path := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(path, []byte("# x\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewUsers(path)
		if err == nil || !strings.Contains(err.Error(), "line ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestUsersChange: the file is read again when it has changed; one with a mistake changes nothing.
func TestUsersChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write := func(text string, age time.Duration) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("a:"+hashes["openssl"], 3*time.Hour)
	u, err := NewUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	write("b:"+hashes["openssl"], 2*time.Hour)
	if u.Check("a", "open sesame") || !u.Check("b", "open sesame") {
		t.Error("the change was not seen")
	}
	write("nonsense", time.Hour)
	if !u.Check("b", "open sesame") || u.Err() == nil {
		t.Error("a mistake takes a login away, or is not told")
	}
}
