package passwd

import (
	"strings"
	"testing"
	"time"
)

// stored are hashes of "open sesame", as doveadm pw and openssl passwd wrote them.
var stored = []string{
	"{PLAIN}open sesame", "{CLEARTEXT}open sesame", "{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=",
	"{SHA256}Qe9LsLI2YeZjAarDYGaRLawDeCe0rmOnsRZaWqk+1Os=",
	"{SHA512}hHDN078e+F1fCSvOWuWvl85QggSBv0OyQTgH/sN+J4W1M6ZdTH1xaVsUHYHrzUtsTe9ChOYGfwud3DGLGyMCBQ==",
	"{SHA512.HEX}8470cdd3bf1ef85d5f092bce5ae5af97ce50820481bf43b2413807fec37e2785b533a65d4c7d71695b141d81ebcd4b6c4def4284e" +
		"6067f0b9ddc318b1b230205",
	"{SSHA}7UQdub6GogXz3oZwT8XneoxpRVpmNGq5", "{ssha}7UQdub6GogXz3oZwT8XneoxpRVpmNGq5",
	"{SSHA256}U591b97jFAXTPVLyxGdAab0I3rESW1JDXBN8rHKbCD1h/9F/",
	"{SSHA512}eoDO6KOcPYKg1DNaN1bQrYYD/qkh09wOHgnQ36hxsGXDH+EwxXayZHoLHHf9ZVKpWOJ8gjBjRFjKliTqdQ2aHLu68lo=",
	"{SHA256-CRYPT}$5$K6jRW0TMfClJVQQT$oiBLJZWLl5MrvzEcusULcWsvlC1fkdiZS3J30kzoU88",
	"{SHA512-CRYPT}$6$MItsCl9BUZD1tWam$B8m2o2NDI9Fvx4bJ29pls1dlnNdedQIBp5WAef4RP7KMrCMaH5QfJkGGzYVH9.FOxMhTaZ6ux29QKn09Iv64m0",
	"{MD5-CRYPT}$1$dEjcfBZ6$GUTGvy/HjHWiTgII932rw1", "$1$abc$n6H250boi0sp0yw9RWhqY0",
	"$5$abc$MiprnnGLGEpAfkAJ9RMpQdoAlj65fcZkQV70K7yKXa/", "{CRYPT}$5$abc$MiprnnGLGEpAfkAJ9RMpQdoAlj65fcZkQV70K7yKXa/",
	"{BLF-CRYPT}$2y$05$qf6yRTu0eENsZAQYIzFmy.AswDnHrnMRUK5OAnddxcZwGWwEzFw5u",
	"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$OJGVDVVqYX3MBuXUGy5dwQ$Kj1yf7vuu7qpYBEdPb8/YzLnonUeP7sIqxykK3jkEMA",
	"{PBKDF2}$1$I0n5Gh.PWgKdvqUa$5000$e7a12887e41c6e0ff379210edea0ccda23b7a2ff",
	"{SCRAM-SHA-256}4096,ooAhtrU+kyfRSqnfygolDQ==,1sPIhLDGLSw7GQu2bubYGW1VUbTMQz8DKTmg5/GV6xU=,XOqNKUHI4WQtc/GlXoTIrzIAvEF1e" +
		"V1OpQXyclaGOoY=",
}

// TestStored: what databases keep knows its password, and no other.
func TestStored(t *testing.T) {
	for _, s := range stored {
		h, err := ParseStored(s, "")
		if err != nil {
			t.Errorf("%.20s: %v", s, err)
			continue
		}
		if !h.Check("open sesame") {
			t.Errorf("%.20s: the password is not known", s)
		}
		for _, wrong := range []string{"", "open sesam", "open sesame ", "Open sesame"} {
			if h.Check(wrong) {
				t.Errorf("%.20s: %q is taken for the password", s, wrong)
			}
		}
	}
	for _, s := range []string{ // of "password", as passlib writes them
		"$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdeA$xS3upr62e29h9/zIrz.USU3saLoax9c4c5xTWMHer.Y",
		"$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
	} {
		h, err := ParseStored(s, "")
		if err != nil || !h.Check("password") || h.Check("passwore") {
			t.Errorf("%.20s: %v", s, err)
		}
	}
}

// TestUsualScheme: what has no scheme before it is of the one that was said.
func TestUsualScheme(t *testing.T) {
	for scheme, s := range map[string]string{"plain": "open sesame", "SSHA": stored[6][len("{SSHA}"):], "MD5-CRYPT": "$1$abc$n6H250boi0sp0yw9RWhqY0"} {
		if h, err := ParseStored(s, scheme); err != nil || !h.Check("open sesame") {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	if _, err := ParseStored("open sesame", ""); err == nil {
		t.Error("a bare word was taken for a hash")
	}
}

// TestH3_NoHash: what is none fits nothing, costs nothing, and is not shown.
func TestH3_NoHash(t *testing.T) {
	began := time.Now()
	for _, s := range []string{
		"", "canary", "{PLAIN}", "{NEW}canary", "{SSHA}canary", "{SSHA}AAAA", "{SHA.OCT}canary", "{SHA}7UQdub6GogXz3oZwT8XneoxpRVpmNGq5",
		"$1$canary", "$1$12345678$canary", "$5$rounds=9999999$abc$MiprnnGLGEpAfkAJ9RMpQdoAlj65fcZkQV70K7yKXa/",
		"$5$rounds=1$abc$MiprnnGLGEpAfkAJ9RMpQdoAlj65fcZkQV70K7yKXa/", "$6$abc$MiprnnGLGEpAfkAJ9RMpQdoAlj65fcZkQV70K7yKXa/",
		"$2y$31$qf6yRTu0eENsZAQYIzFmy.AswDnHrnMRUK5OAnddxcZwGWwEzFw5u", "{PBKDF2}$1$canary$99999999$e7a12887e41c6e0ff379210edea0ccda23b7a2ff",
		"{PBKDF2}$1$canary$5000$e7", "$pbkdf2-sha256$99999999$0ZrzXitFSGltTQnBWOsdeA$xS3upr62e29h9/zIrz.USU3saLoax9c4c5xTWMHer.Y",
		"$bcrypt-sha256$v=2,t=2b,r=31$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2", "$argon2i$v=19$m=1,t=1,p=1$x$canary",
		"$md5,rounds=904$Vc3VgyFx44iS8.Yu$Scf90iLWN6O6mT9TA06NK/", "{" + strings.Repeat("x", 2000) + "}canary", "{PLAIN}" + strings.Repeat("x", 2000),
	} {
		h, err := ParseStored(s, "")
		if err == nil {
			t.Errorf("%.40q is taken for %T", s, h)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestMake: a hash that is made knows its password; two are not the same; that of nobody knows none.
func TestMake(t *testing.T) {
	a := Make("open sesame")
	h, err := Parse(a)
	if err != nil || !h.Check("open sesame") || h.Check("open sesamf") {
		t.Error(err)
	}
	if Make("open sesame") == a {
		t.Error("there is no salt")
	}
	if Nobody().Check("") {
		t.Error("nobody has a password")
	}
}

func FuzzParseStored(f *testing.F) {
	for _, s := range stored {
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, s, scheme string) {
		if h, err := ParseStored(s, scheme); (h == nil) == (err == nil) {
			t.Errorf("%v %v", h, err)
		}
	})
}
