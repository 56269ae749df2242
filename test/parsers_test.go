//go:build interop

package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const pythonReads = `
import sys, email, email.policy
for path in sys.argv[1:]:
    m = email.message_from_binary_file(open(path, "rb"), policy=email.policy.default)
    def check(what, ok):
        if not ok: sys.exit(f"{path}: {what}: {m.defects}")
    check("one From", len(m.get_all("From")) == 1)
    check("from the configured address", "mailer-daemon@kroon.co.za" in m["From"])
    if m.get_content_type() != "multipart/report":
        continue  # what stands in for a report where none may go out
    check("report type", m.get_param("report-type") == "delivery-status")
    parts = m.get_payload()
    check("three parts", len(parts) == 3)
    kinds = [p.get_content_type() for p in parts[:2]]
    if kinds == ["text/plain", "message/global-delivery-status"]:  # RFC 6533: a kind that it does not look into
        octets = parts[1].get_payload(decode=True)
        if octets is None:  # read as a message
            octets = b"".join(p.as_bytes(policy=email.policy.SMTPUTF8) for p in parts[1].get_payload())
        blocks = octets.decode("utf-8").replace("\r\n", "\n").strip("\n").split("\n\n")
        status = [email.message_from_string(b + "\n\n") for b in blocks]
        check("the header in UTF-8", parts[2].get_content_type() in ("message/global-headers", "message/global"))
    else:
        check("kinds", kinds == ["text/plain", "message/delivery-status"])
        status = parts[1].get_payload()
    check("message fields", status[0]["Reporting-MTA"].startswith("dns;"))
    check("a recipient", len(status) > 1)
    for r in status[1:]:
        check("recipient fields", r["Final-Recipient"] and r["Action"] and r["Status"])
        check("no field got in", "Bcc" not in r and "Bcc" not in m)
        name = path.split("/")[-1]
        want = ["delayed"] if "delayed" in name else ["relayed", "delivered"] if "succeeded" in name else ["failed"]
        check("action", r["Action"] in want)
        check("class of the status", r["Status"][0] in {"delayed": "4", "relayed": "2", "delivered": "2", "failed": "45"}[r["Action"]])
        check("Will-Retry-Until", ("Will-Retry-Until" in r) == ("delayed" in name))
    for part in [m] + list(m.walk()):
        check("no defects", not part.defects or part.get_content_type() in ("text/rfc822-headers", "message/rfc822"))
    print(path.split("/")[-1], status[1]["Final-Recipient"])
`

const perlReads = `
use Mail::DeliveryStatus::BounceParser;
for my $path (@ARGV) {
    open(my $f, "<", $path) or die; local $/; my $octets = <$f>;
    next unless $octets =~ /report-type="?delivery-status/;
    my $b = Mail::DeliveryStatus::BounceParser->new($octets);
    if ($octets =~ /\nAction: (?!failed)/) {
        die "$path: seen as a bounce\n" if $b->is_bounce && $octets !~ /global-delivery-status/; # RFC 6533: it guesses
        next;
    }
    die "$path: not seen as a bounce\n" unless $b->is_bounce;
    next if $octets =~ /\nFinal-Recipient: utf-8;/; # it knows nothing of RFC 6533
    my @a = map { $_->get("email") // "" } $b->reports;
    die "$path: no address\n" unless @a && $a[0] =~ /\@/;
    print "$path: @a\n";
}
`

// TestForeignParsersReadOurReports lets two parsers that are not ours read each golden report.
func TestForeignParsersReadOurReports(t *testing.T) {
	files, err := filepath.Glob("../bounce/testdata/*.eml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d golden reports: %v", len(files), err)
	}
	for name, args := range map[string][]string{
		"python3": {"-c", pythonReads},
		"perl":    {"-e", perlReads},
	} {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Fatalf("%s is not installed: test/run installs it", name)
			}
			out, err := exec.Command(path, append(args, files...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := strings.Count(string(out), "\n"); n < 5 {
				t.Errorf("only %d were read:\n%s", n, out)
			}
		})
	}
}
