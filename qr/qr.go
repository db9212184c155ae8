// Package qr reads the text of a QR code out of a picture and draws a text as a QR code. It opens no camera and no
// file, knows no kind of license, and judges nothing that a code says: what was read is a stranger's word.
package qr
