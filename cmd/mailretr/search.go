package main

import (
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/conf"
)

// criteriaOf says in the library's words what a filter lets through: all keys have to hold.
func criteriaOf(keys []conf.SearchKey) *goimap.SearchCriteria {
	c := &goimap.SearchCriteria{}
	for _, k := range keys {
		addKey(c, k)
	}
	return c
}

// searchFlags are the flags of keys that have nothing behind them; UN stands in front for their opposite.
var searchFlags = map[string]goimap.Flag{
	"ANSWERED": goimap.FlagAnswered, "DELETED": goimap.FlagDeleted, "DRAFT": goimap.FlagDraft,
	"FLAGGED": goimap.FlagFlagged, "SEEN": goimap.FlagSeen,
}

func addKey(c *goimap.SearchCriteria, k conf.SearchKey) {
	if f, ok := searchFlags[k.Name]; ok {
		c.Flag = append(c.Flag, f)
		return
	}
	const day = 24 * time.Hour
	switch k.Name {
	case "":
		for _, one := range k.Keys {
			addKey(c, one)
		}
	case "ALL":
	case "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN":
		c.NotFlag = append(c.NotFlag, searchFlags[k.Name[2:]])
	case "KEYWORD":
		c.Flag = append(c.Flag, goimap.Flag(k.Text))
	case "UNKEYWORD":
		c.NotFlag = append(c.NotFlag, goimap.Flag(k.Text))
	case "BODY":
		c.Body = append(c.Body, k.Text)
	case "TEXT":
		c.Text = append(c.Text, k.Text)
	case "HEADER":
		c.Header = append(c.Header, goimap.SearchCriteriaHeaderField{Key: k.Field, Value: k.Text})
	case "BCC", "CC", "FROM", "SUBJECT", "TO":
		c.Header = append(c.Header, goimap.SearchCriteriaHeaderField{Key: k.Name, Value: k.Text})
	case "BEFORE":
		c.Before = first(c.Before, k.Date)
	case "ON":
		c.Since, c.Before = last(c.Since, k.Date), first(c.Before, k.Date.Add(day))
	case "SINCE":
		c.Since = last(c.Since, k.Date)
	case "SENTBEFORE":
		c.SentBefore = first(c.SentBefore, k.Date)
	case "SENTON":
		c.SentSince, c.SentBefore = last(c.SentSince, k.Date), first(c.SentBefore, k.Date.Add(day))
	case "SENTSINCE":
		c.SentSince = last(c.SentSince, k.Date)
	case "LARGER":
		c.Larger = max(c.Larger, k.Number)
	case "SMALLER":
		if c.Smaller == 0 || k.Number < c.Smaller {
			c.Smaller = k.Number
		}
	case "NOT":
		c.Not = append(c.Not, *criteriaOf(k.Keys))
	case "OR":
		c.Or = append(c.Or, [2]goimap.SearchCriteria{*criteriaOf(k.Keys[:1]), *criteriaOf(k.Keys[1:])})
	}
}

// first and last are those of two days, of which one may not be given.
func first(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

func last(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
