package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
)

const (
	// answeredPrefix stands before the name of a document of the hub where the journal remembers how it was answered.
	answeredPrefix = "answered/"
	// maxAnswered bounds how many answers are remembered, so that a hub cannot fill the panel's memory.
	maxAnswered = 1024
	// papersLimit bounds the codes that one entry takes upward, in bytes, well below what an event may have.
	papersLimit = 40 << 10
)

// AnsweredBefore is how documents of the hub were answered, as the journal remembers it.
func AnsweredBefore(memory []panel.Memory) map[string]string {
	answers := map[string]string{}
	for _, m := range memory {
		if name, ok := strings.CutPrefix(m.Key, answeredPrefix); ok && m.Value != "" {
			answers[name] = m.Value
		}
	}
	return answers
}

// PapersOf are the codes in an entry's memory that the panel's hub is to have: what the panel activated, what it has of shares and what
// it gave back.
func PapersOf(memory []panel.Memory) []string {
	var papers []string
	size := 0
	for _, doc := range RememberedDocuments(memory) {
		switch doc.Kind {
		case envelope.Activation, envelope.Slice, envelope.Return, envelope.Release:
			text := envelope.Armor(doc.Kind, doc.Raw)
			if size += len(text); size <= papersLimit {
				papers = append(papers, text)
			}
		}
	}
	return papers
}

// Join tells which hub the panel belongs to from now on; zero: to none.
func (l *Licenses) Join(ctx context.Context, hub license.Membership, inform Inform) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.o.Panel.Hub = hub
	return l.derive(ctx, inform)
}

// Hub is the hub that the panel belongs to.
func (l *Licenses) Hub() license.Membership {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.o.Panel.Hub
}

// PresentWord takes what the panel's hub says under its own key, the way Present takes a code.
func (l *Licenses) PresentWord(ctx context.Context, raw []byte, inform Inform) (license.Verdict, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accept(ctx, license.ExamineWord(raw, l.ring, l.o.Panel, l.o.Clock(), l.docs), "hub", "", inform)
}

// AnswerTo presents a document of the hub and answers it. What could not be kept is not answered: it comes again. An empty verdict is
// about something that this version does not know, and gets no answer either.
func (l *Licenses) AnswerTo(ctx context.Context, name string, raw []byte, present func() (license.Verdict, error), inform Inform) error {
	v, err := present()
	if err != nil {
		return fmt.Errorf("cannot take document %s of the hub (%s): %w", name, v.Result, err)
	}
	if v.Result == "" || l.Hub().Key == nil {
		return nil
	}
	return l.Answer(ctx, name, raw, v, inform)
}

// Answer tells the hub what came of a document, once for each content: the entry and the memory of it are one. name is its kind and
// id with a slash between.
func (l *Licenses) Answer(ctx context.Context, name string, raw []byte, v license.Verdict, inform Inform) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	why := panel.AnswerRefused
	switch v.Result {
	case license.Activated:
		why = panel.AnswerTaken
	case license.AlreadyActive:
		why = panel.AnswerAlready
	}
	content := license.DigestOf(raw)
	digest := hex.EncodeToString(content[:])
	before, known := l.answered[name]
	if old, result, _ := strings.Cut(before, ":"); old == digest && (result != string(panel.AnswerRefused) || why == panel.AnswerRefused) {
		return nil
	}
	if !known && len(l.answered) >= maxAnswered {
		return fmt.Errorf("cannot answer document %s: %d are remembered already, which is the most", name, maxAnswered)
	}
	value := digest + ":" + string(why)
	l.answered[name] = value
	return inform(context.WithoutCancel(ctx), panel.Noted{
		Entry:    panel.Entry{Kind: panel.LicenseAnswered, Why: string(why), Detail: v.Message, Document: name, Digest: digest},
		Remember: []panel.Memory{{Key: answeredPrefix + name, Value: value}},
	})
}

// Withdraw forgets what the hub had given by its own word, and that it was answered. What panels hold of signed licenses they keep.
func (l *Licenses) Withdraw(ctx context.Context, name, basic string, inform Inform) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := panel.Entry{Kind: panel.LicenseWithdrawn, Document: name}
	remember := []panel.Memory{{Key: answeredPrefix + name}}
	held := func(d license.Document) bool { return d.Key == basic }
	if l.o.Panel.Hub.Key != nil && basic == license.BasicPlace(l.o.Panel.Hub.Key) && name == BasicDocument && slices.ContainsFunc(l.docs, held) {
		if l.o.Drop == nil {
			return fmt.Errorf("cannot forget %s: this store deletes nothing", basic)
		}
		if err := l.o.Drop(basic); err != nil {
			return fmt.Errorf("cannot forget what the hub took back: %w; nothing was changed", err)
		}
		for _, d := range l.docs {
			if held(d) {
				remember = append(remember, panel.Memory{Key: memoryPrefix + d.Key}, panel.Memory{Key: memoryPrefix + CopyKey(d)})
			}
		}
		l.docs = slices.DeleteFunc(slices.Clone(l.docs), held)
		entry.Detail = "Basic: the hub gives it no more"
	} else if _, known := l.answered[name]; !known {
		return nil
	}
	delete(l.answered, name)
	ctx = context.WithoutCancel(ctx)
	return firstOf(l.derive(ctx, inform), inform(ctx, panel.Noted{Entry: entry, Remember: remember}))
}

// BasicDocument names the document with which a hub gives Basic.
const BasicDocument = "grant/basic"

// Tell says again what the panel has from its hub, and how it answered its documents, for a hub that may have lost it. The last entry
// says that this was all, and names the order.
func (l *Licenses) Tell(ctx context.Context, hub ed25519.PublicKey, order uint64, inform Inform) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	held := license.HeldFrom(hub, l.docs)
	const each = 8
	for chunk := range slices.Chunk(held, each) {
		entry := panel.Entry{Kind: panel.LicenseTold, Why: "command", Detail: fmt.Sprintf("the hub is told again of %d documents", len(chunk))}
		if err := inform(ctx, panel.Noted{Entry: entry, Remember: DocumentMemory(chunk)}); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.answered)) {
		digest, why, _ := strings.Cut(l.answered[name], ":")
		entry := panel.Entry{Kind: panel.LicenseAnswered, Why: why, Detail: "told again", Document: name, Digest: digest}
		if err := inform(ctx, panel.Noted{Entry: entry}); err != nil {
			return err
		}
	}
	return inform(ctx, panel.Noted{Entry: panel.Entry{
		Kind: panel.LicenseTold, Why: "command", Detail: fmt.Sprintf("the hub was told all: %d documents", len(held)), Document: fmt.Sprintf("order/%d", order),
	}})
}

// Stops names what would not call any more when so much of a share were given back; nothing is changed.
func (l *Licenses) Stops(order license.BackOrder) (before, after license.Entitlements, v license.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.Entitlements()
	v = license.GiveBack(l.ring, l.o.Panel, l.o.Clock(), l.docs, order)
	after = before
	if v.After != nil {
		after = *v.After
	}
	return before, after, v
}
