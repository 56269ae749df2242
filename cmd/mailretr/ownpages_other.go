//go:build !linux

package main

// forgetProgram does nothing where it is not known how.
func forgetProgram() {}
