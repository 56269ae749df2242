package yaml

import (
	"time"

	"mailretr/conf"
)

// fallback is the table of that section.
var fallback = []option[conf.Fallback]{
	text("to", "The name of the other destination.", "default", func(f *conf.Fallback) *string { return &f.To }),
	span("after", "What has waited so long goes there: deferred messages, and all of them where this destination is "+
		"away. Attempts begin anew there; the age at which a message is given up still counts from the beginning.", "4h",
		func(f *conf.Fallback) *time.Duration { return &f.After }),
}
