package conf

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// A password that cannot be read says which, once, and what to do; never more of a command than its program.
func TestUnreadSecretSaysWhatToDo(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, x := range map[string]struct {
		s             Secret
		error, advice string
	}{
		"file":    {SecretFile(none), "reading the secret (file " + none + "): no such file or directory", "Put the password into " + none},
		"env":     {SecretEnv("NONE_SUCH"), "reading the secret (env NONE_SUCH): the variable is not set", "Set the variable NONE_SUCH"},
		"command": {SecretCommand("false", "sesame"), "reading the secret (command false): exit status 1", "as the user that runs mailretr: false."},
		"none":    {Secret{}, "none is configured", "Say in the configuration"},
	} {
		_, err := x.s.Resolve(t.Context())
		var known interface{ Advice() string }
		if err == nil || !strings.Contains(err.Error(), x.error) || !errors.As(err, &known) {
			t.Fatalf("%s: %v", name, err)
		}
		hint := known.Advice()
		if !strings.Contains(hint, x.advice) || strings.Contains(hint, "sesame") {
			t.Errorf("%s: %q, want %q", name, hint, x.advice)
		}
	}
}
