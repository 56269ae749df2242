//go:build !linux

package footprint

// forgetProgram does nothing where it is not known how.
func forgetProgram() {}
