package imap

import "mailretr/store/mail"

// How many octets something will bring, before it is asked for: who collects on a budget reserves them.

// Listing is how many octets the numbers of all messages will take, about, where they are not there already: those of
// SEARCH, as ESEARCH has ranges of them.
func (s *session) Listing() (n int64) {
	for _, f := range s.folders {
		if !f.left && !f.listed {
			n += int64(f.exists) * aboutNumber
		}
	}
	return n
}

// Added is how many octets Since will bring, about: sizes, or numbers where there are too many, of what is new in each
// folder, which is everything where the folder is.
func (s *session) Added(glance string) (n int64) {
	old, ok := parseGlance(glance)
	if !ok {
		return 0
	}
	for _, f := range s.folders {
		was, known := old[f.digest()]
		switch fresh := int64(f.next) - int64(was.next); {
		case f.left || f.listed:
		case !known || was.validity != f.validity:
			n += int64(f.exists) * aboutNumber
		case fresh <= 0 || f.reaches(was.next):
		case fresh <= mostNew:
			n += fresh * aboutSize
		default:
			n += min(fresh, int64(f.exists)) * aboutNumber
		}
	}
	return n
}

// Sizes is how many octets the sizes of these messages will take, about, where they are not there already.
func (s *session) Sizes(want []mail.UID) (n int64) {
	for _, u := range want {
		f, uid, ok := s.find(u)
		if !ok {
			continue
		}
		if _, said := f.ahead[uid]; !said {
			n += aboutSize
		}
	}
	return n
}

// blind says whether sizes of so many messages may be asked for before anybody knows how many there are.
func (s *session) blind(messages uint32) bool {
	return s.o.Blind == nil || s.o.Blind(int64(messages)*aboutSize)
}
