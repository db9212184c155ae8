// Package notify puts a message into words and hands it to a mail server, an SMS gateway or a webhook. It sends once what
// it is given: whom to tell, when, and whether to try again is decided elsewhere.
package notify
