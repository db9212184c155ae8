package notify

import "time"

// Message is what one person is to be told, on whichever channel.
type Message struct {
	ID       string // the same for every try; of A-Z a-z 0-9 . _ -, at most 200 bytes
	Site     string
	Incident string
	Kind     string // one of Kinds; another one gets the general text
	Language string // "en", "it", "de" or a longer tag that begins so; others are told in English
	To       string // the address on its channel: a mailbox, a telephone number, a URL
	Facts    []Fact // in the order in which the general text lists them
	Made     time.Time
}

// Fact is one named value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Text is a message in words.
type Text struct {
	Subject string // one line
	Body    string // lines of plain text
	Short   string // one line for a short message
}

// Secret is a password or key. It prints as ***.
type Secret string
