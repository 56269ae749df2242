// Package yaml reads the configuration from YAML files.
//
// It promises to name every mistake of all files in one run, with file:line:column and what to do; to refuse
// keys that it does not know; to take values as they are written (012, no and 1_000 are what they look like
// where text is wanted, and mistakes where a number is); and to need little memory, whatever is in a file.
// One table of options, in table.go, is what the decoder reads with, what [Describe] explains and what [Show]
// and [Write] write: so the three agree.
//
// It leaves to [conf.Config.Validate] what does not depend on YAML, and to cmd/mailretr when to read again.
// YAML is that of gopkg.in/yaml.v3, which is used as a parser only: aliases are followed within a budget,
// merge keys and tags are refused.
//
// Read [Load] first.
package yaml
