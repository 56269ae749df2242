package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// What other programs remember of the messages that they have collected: fetchmail in .fetchids, mpop in its uidls file,
// getmail in a file for each maildrop, oldmail-HOST-PORT-USER.

// An idList is what was collected from one maildrop.
type idList struct {
	host, user string // "" in a file of getmail, which is for one maildrop
	ids        []string
}

// Bounds of such a file.
const (
	maxIDLine = 4096
	maxIDFile = 256 << 20
)

// An idReader reads one line; odd says that it makes no sense.
type idReader func(line string) (host, user, id string, odd bool)

// readIDs reads a file in any of the three forms. odd counts the lines that make no sense, which are left out.
func readIDs(in io.Reader) (lists []idList, odd int, err error) {
	r := bufio.NewReaderSize(io.LimitReader(in, maxIDFile+1), maxIDLine)
	read, err := idForm(r)
	if err != nil {
		return nil, 0, err
	}
	at := map[[2]string]int{}
	size := 0
	for {
		b, long, err := r.ReadLine()
		if errors.Is(err, io.EOF) {
			return lists, odd, nil
		}
		if err != nil {
			return nil, odd, err
		}
		if size += len(b) + 1; size > maxIDFile {
			return nil, odd, fmt.Errorf("it is longer than %d octets", maxIDFile)
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
			lists = append(lists, idList{host: host, user: user})
		}
		lists[i].ids = append(lists[i].ids, id)
	}
}

// idForm says how a file is read, by its beginning.
func idForm(r *bufio.Reader) (idReader, error) {
	b, err := r.Peek(maxIDLine)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" || line[0] == '#':
		case strings.IndexByte(line, 0) >= 0:
			return getmailID, nil
		case line[0] == ' ':
			return mpopIDs(), nil
		case strings.Contains(line, "@"):
			return fetchmailID, nil
		default:
			return nil, errors.New("it is no file of fetchmail, getmail or mpop")
		}
	}
	return func(string) (h, u, id string, odd bool) { return }, nil
}

// fetchmailID reads `user@host id`. Users may have an @ and blanks, ids may have blanks.
func fetchmailID(line string) (host, user, id string, odd bool) {
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

// getmailID reads an id, a NUL, and when it was seen. Old files have the folder in the middle of the id.
func getmailID(line string) (host, user, id string, odd bool) {
	id, when, ok := strings.Cut(line, "\x00")
	if _, err := strconv.ParseInt(when, 10, 64); !ok || err != nil || id == "" {
		return "", "", "", line != ""
	}
	if p := strings.Split(id, "/"); len(p) == 3 {
		id = p[0] + "/" + p[2]
	}
	return "", "", id, false
}

// mpopIDs reads ` NUMBER host user`, and so many ids, one a line.
func mpopIDs() idReader {
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
