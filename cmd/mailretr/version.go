package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of this program. It is set by the linker where a package is built (-X
// main.release=…).
var release = "0.1.0-dev"

// version names the release and, where it is known, the commit it was built from.
func version() string {
	v := release
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += "+" + s.Value[:12]
		}
	}
	return v
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.line(map[string]string{"version": version(), "go": runtime.Version()})
			}
			a.out.Printf("mailretr %s (%s)\n", version(), runtime.Version())
			return nil
		},
	}
}
