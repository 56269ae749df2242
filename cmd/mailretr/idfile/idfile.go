// Package idfile reads what other programs remember of the messages that they have collected: fetchmail in .fetchids, mpop
// in its uidls file, getmail in a file for each maildrop, oldmail-HOST-PORT-USER.
//
// It promises that a line that makes no sense costs that line alone, and that lines and files have bounds. What the ids
// mean to a protocol, and which maildrop of ours a list belongs to, is left to the caller.
//
// Read first: [Read].
package idfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A List is what was collected from one maildrop.
type List struct {
	Host, User string   // "" in a file of getmail, which is for one maildrop
	IDs        []string // as the program wrote them: none is "", none has a line end
}

// Bounds of such a file.
const (
	maxLine = 4096
	maxFile = 256 << 20
)

// A reader reads one line; odd says that it makes no sense.
type reader func(line string) (host, user, id string, odd bool)

// Read reads a file in any of the three forms, told by its beginning, to its end. odd counts the lines that make no sense,
// which are left out. An error is one of in, or says that the file is in no such form or longer than 256 MiB.
func Read(in io.Reader) (lists []List, odd int, err error) {
	bounded := &io.LimitedReader{R: in, N: maxFile + 1}
	r := bufio.NewReaderSize(bounded, maxLine)
	read, err := formOf(r)
	if err != nil {
		return nil, 0, err
	}
	at := map[[2]string]int{}
	for {
		b, long, err := r.ReadLine()
		switch {
		case errors.Is(err, io.EOF) && bounded.N == 0:
			return nil, odd, fmt.Errorf("it is longer than %d octets", maxFile)
		case errors.Is(err, io.EOF):
			return lists, odd, nil
		case err != nil:
			return nil, odd, err
		}
		line := string(b)
		if long {
			line = ""
			odd++
		}
		for long && err == nil {
			_, long, err = r.ReadLine()
		}
		host, user, id, wrong := read(line)
		if wrong {
			odd++
		}
		if id == "" {
			continue
		}
		i, known := at[[2]string{host, user}]
		if !known {
			i = len(lists)
			at[[2]string{host, user}] = i
			lists = append(lists, List{Host: host, User: user})
		}
		lists[i].IDs = append(lists[i].IDs, id)
	}
}

// formOf says how a file is read, by its beginning.
func formOf(r *bufio.Reader) (reader, error) {
	b, err := r.Peek(maxLine)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" || line[0] == '#':
		case strings.IndexByte(line, 0) >= 0:
			return getmail, nil
		case line[0] == ' ':
			return mpop(), nil
		case strings.Contains(line, "@"):
			return fetchmail, nil
		default:
			return nil, errors.New("it is no file of fetchmail, getmail or mpop")
		}
	}
	return func(string) (h, u, id string, odd bool) { return }, nil
}

// fetchmail reads `user@host id`. Users may have an @ and blanks, ids may have blanks.
func fetchmail(line string) (host, user, id string, odd bool) {
	if line == "" {
		return
	}
	first := strings.IndexByte(line, '@')
	if first < 0 {
		return "", "", "", true
	}
	blank := strings.IndexAny(line[first:], " \t")
	if blank < 0 {
		return "", "", "", true
	}
	who := line[:first+blank]
	i := strings.LastIndexByte(who, '@')
	if id = strings.Trim(line[first+blank:], " \t"); i == 0 || id == "" {
		return "", "", "", true
	}
	return who[i+1:], who[:i], id, false
}

// getmail reads an id, a NUL, and when it was seen. Old files have the folder in the middle of the id.
func getmail(line string) (host, user, id string, odd bool) {
	id, when, ok := strings.Cut(line, "\x00")
	if _, err := strconv.ParseInt(when, 10, 64); !ok || err != nil || id == "" {
		return "", "", "", line != ""
	}
	if p := strings.Split(id, "/"); len(p) == 3 {
		id = p[0] + "/" + p[2]
	}
	return "", "", id, false
}

// mpop reads ` NUMBER host user`, and so many ids, one a line.
func mpop() reader {
	var host, user string
	left := 0
	return func(line string) (string, string, string, bool) {
		switch {
		case left == 0 && (line == "" || line[0] == '#'):
			return "", "", "", false
		case strings.HasPrefix(line, " "):
			p := strings.Split(line[1:], " ")
			odd := left > 0
			n, err := strconv.Atoi(p[0])
			if left = 0; len(p) != 3 || err != nil || n < 1 || p[1] == "" || p[2] == "" {
				return "", "", "", true
			}
			left, host, user = n, p[1], p[2]
			return "", "", "", odd
		case left == 0:
			return "", "", "", true
		}
		left--
		return host, user, line, line == ""
	}
}
