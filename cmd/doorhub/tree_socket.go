package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/storage"
)

// localPrefix is what the socket serves besides the pages' API: the license ledger for the commands on this host. Only root and the
// hub's own user reach it.
const localPrefix = "/local/ledger/"

// byRoot is who asks through the socket, in the ledger.
const byRoot = "root"

const localBody = 1 << 20

// localLedger answers the commands about the license ledger.
func (h *house) localLedger() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET verify":                h.localVerify,
		"GET export":                h.localExport,
		"GET state":                 h.localState,
		"GET usage":                 h.localUsage,
		"GET groups":                h.localGroups,
		"POST groups":               h.localAdd,
		"POST groups/move":          localChange[ledger.MoveGroup](h),
		"POST groups/keep":          localChange[ledger.ArchiveGroup](h),
		"POST groups/back":          localChange[ledger.RestoreGroup](h),
		"GET packages":              h.localPackages,
		"POST packages":             h.localEnter,
		"POST packages/assign":      localChange[ledger.AssignPackage](h),
		"POST trial":                localChange[ledger.StartTrial](h),
		"POST packages/undo":        localChange[ledger.UndoPackage](h),
		"GET replacements":          h.localAsks,
		"POST replacements":         h.localReplace,
		"POST replacements/approve": h.localApprove,
		"POST replacements/decline": localChange[ledger.DeclineReplacement](h),
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+localPrefix+path, func(w http.ResponseWriter, r *http.Request) {
			if err := answer(w, r); err != nil {
				writeLocalProblem(w, err)
			}
		})
	}
	return mux
}

// misuse is an error of whoever called.
type misuse struct{ error }

func writeLocalProblem(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var refusal *ledger.Refusal
	var wrong misuse
	switch {
	case errors.As(err, &refusal) && refusal.Reason == ledger.Unknown:
		status = http.StatusNotFound
	case errors.As(err, &refusal):
		status = http.StatusConflict
	case errors.As(err, &wrong):
		status = http.StatusBadRequest
	case errors.Is(err, storage.ErrReadOnly):
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problemDetails{Title: http.StatusText(status), Status: status, Detail: err.Error()})
}

func writeLocal(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

func readLocal(r *http.Request, v any) error {
	in := json.NewDecoder(io.LimitReader(r.Body, localBody))
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		return misuse{fmt.Errorf("cannot read the request: %w", err)}
	}
	return nil
}

// ledgerAnswer is what became of a change.
type ledgerAnswer struct {
	Changed bool            `json:"changed"` // false: it was so already
	ID      string          `json:"id,omitempty"`
	Notices []ledger.Notice `json:"notices,omitempty"`
}

// localChange decides a change that is in the body as it is.
func localChange[C ledger.Change](h *house) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var change C
		if err := readLocal(r, &change); err != nil {
			return err
		}
		changes, err := h.ledger.Decide(ledger.Request{Who: byRoot}, change)
		if err != nil {
			return err
		}
		return writeLocal(w, ledgerAnswer{Changed: !changes.Empty(), Notices: changes.Notices})
	}
}

// newGroup is a group to make, with a partner's registration for the Trial of a company.
type newGroup struct {
	Group        ledger.Group `json:"group"`
	Registration string       `json:"registration,omitempty"`
}

func (h *house) localAdd(w http.ResponseWriter, r *http.Request) error {
	var in newGroup
	if err := readLocal(r, &in); err != nil {
		return err
	}
	if in.Group.ID == "" {
		in.Group.ID = newID(10)
	}
	all := []ledger.Change{ledger.CreateGroup{Group: in.Group}}
	if in.Registration != "" {
		all = append(all, ledger.StartTrial{Root: in.Group.ID, Registration: in.Registration})
	}
	changes, err := h.ledger.Decide(ledger.Request{Who: byRoot}, ledger.Batch{Changes: all})
	if err != nil {
		return err
	}
	return writeLocal(w, ledgerAnswer{Changed: true, ID: in.Group.ID, Notices: changes.Notices})
}

// groupLine is one group of a list.
type groupLine struct {
	ID       string         `json:"id"`
	Parent   string         `json:"parent,omitempty"`
	Name     string         `json:"name"`
	Level    string         `json:"level,omitempty"`
	Groups   int            `json:"groups"`
	Users    int            `json:"users"`
	Devices  int            `json:"devices"`
	Used     ledger.Amounts `json:"used"`
	Archived time.Time      `json:"archived,omitzero"`
}

const groupsListed = 10_000

func (h *house) localGroups(w http.ResponseWriter, r *http.Request) error {
	list := []groupLine{}
	err := h.ledger.Look(func(book ledger.Book) error {
		for g, err := range book.Children(r.FormValue("parent"), r.FormValue("after")) {
			if err != nil {
				return err
			}
			if len(list) >= groupsListed {
				return nil
			}
			list = append(list, groupLine{g.ID, g.Parent, g.Name, g.Level, g.Count.Groups, g.Count.Users, g.Count.Devices, g.Count.Used, g.Archived})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeLocal(w, map[string]any{"groups": list})
}

func (h *house) localState(w http.ResponseWriter, r *http.Request) error {
	var state ledger.State
	err := h.ledger.Look(func(book ledger.Book) (err error) {
		state, err = ledger.StateOf(book, time.Now(), ledger.Subject{Group: r.FormValue("group"), User: r.FormValue("user")}, ledger.Asker{All: true})
		return err
	})
	if err != nil {
		return err
	}
	return writeLocal(w, state)
}

// verified is what a check of the ledger found.
type verified struct {
	Whole   bool   `json:"whole"`
	Entries uint64 `json:"entries"`
	Detail  string `json:"detail,omitempty"`
}

func (h *house) localVerify(w http.ResponseWriter, r *http.Request) error {
	n, err := h.store.VerifyLedger(r.Context())
	found := verified{Whole: err == nil, Entries: n}
	if err != nil {
		found.Detail = err.Error()
	}
	return writeLocal(w, found)
}

const entriesAtOnce = 1_000

// localExport writes all entries, oldest first, one JSON object a line.
func (h *house) localExport(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/jsonl")
	out := json.NewEncoder(w)
	for number := uint64(0); ; {
		page, err := h.store.EntriesAfter(number, entriesAtOnce)
		if err != nil && number > 0 {
			h.cutOff("export of the ledger", err)
		}
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if err := out.Encode(e); err != nil {
				h.cutOff("export of the ledger", err)
			}
			number = e.Number
		}
	}
}

// cutOff ends an answer that was begun: a problem can no longer be told, and a part must not be taken for the whole.
func (h *house) cutOff(what string, err error) {
	h.log.Warn("an answer ended early", "answer", what, "cause", err)
	panic(http.ErrAbortHandler)
}

// localUsage answers with what is used in every group, for a bill (T-21). The report is made first and sent then, from a file without
// a name: the ledger must not be held for as long as a slow reader takes.
func (h *house) localUsage(w http.ResponseWriter, r *http.Request) error {
	report, err := os.CreateTemp(h.config.Data, ".doorhub-usage-*")
	if err != nil {
		return fmt.Errorf("cannot make the report: %w", err)
	}
	defer func() { _ = report.Close() }() // nobody reads it again
	if err := os.Remove(report.Name()); err != nil {
		return fmt.Errorf("cannot make the report: %w", err)
	}
	out, write, media := bufio.NewWriter(report), usageCSV, "text/csv; charset=utf-8"
	if r.FormValue("format") != "csv" {
		write, media = usageJSON, "application/jsonl"
	}
	if err := h.writeUsage(r.FormValue("group"), r.FormValue("month"), write(out)); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("cannot make the report: %w", err)
	}
	if _, err := report.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("cannot make the report: %w", err)
	}
	w.Header().Set("Content-Type", media)
	if _, err := io.Copy(w, report); err != nil {
		h.cutOff("usage", err)
	}
	return nil
}

// writeUsage writes the rows of a group and all below it, of all companies when group is empty, with a month, the one that runs when it
// is empty.
func (h *house) writeUsage(group, month string, write func(ledger.Row) error) error {
	roots := []string{group}
	return h.ledger.Look(func(book ledger.Book) error {
		if group == "" {
			roots = nil
			for g, err := range book.Children("", "") {
				if err != nil {
					return err
				}
				roots = append(roots, g.ID)
			}
		}
		for _, root := range roots {
			for row, err := range ledger.Usage(book, root, month, time.Now()) {
				if err != nil {
					return err
				}
				if err := write(row); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func usageJSON(w io.Writer) func(ledger.Row) error {
	out := json.NewEncoder(w)
	return func(row ledger.Row) error { return out.Encode(row) }
}

func usageCSV(w io.Writer) func(ledger.Row) error {
	out := csv.NewWriter(w)
	head := append([]string{"group", "path"}, ledger.UsageColumns()...)
	begun := false
	return func(row ledger.Row) error {
		if !begun {
			begun = true
			if err := out.Write(head); err != nil {
				return err
			}
		}
		err := out.Write(append([]string{row.Group, harmless(pathText(row.Path))}, row.Columns()...))
		out.Flush()
		return errors.Join(err, out.Error())
	}
}

// harmless keeps a spreadsheet from taking a name for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func pathText(path []ledger.Place) string {
	var names []string
	for _, p := range path {
		names = append(names, p.Name)
	}
	return strings.Join(names, " > ")
}

// packageAsk is a package to activate, or to be known here.
type packageAsk struct {
	Root  string `json:"root,omitempty"`
	Text  string `json:"text"`
	Renew string `json:"renew,omitempty"`
	Stock bool   `json:"stock,omitempty"`
	User  string `json:"user,omitempty"` // of a license of an account
}

// packageAnswer says what came of it.
type packageAnswer struct {
	Result  string          `json:"result"`
	Message string          `json:"message"`
	Package *ledger.Package `json:"package,omitempty"`
	Notices []ledger.Notice `json:"notices,omitempty"`
}

func (h *house) localEnter(w http.ResponseWriter, r *http.Request) error {
	var in packageAsk
	if err := readLocal(r, &in); err != nil {
		return err
	}
	var answer hub.PackageAnswer
	var err error
	switch kind, _, _ := envelope.Unarmor(in.Text); {
	case kind == envelope.Delegation, kind == envelope.Revocation:
		answer.LicenseAnswer, err = h.packages.EnterPaper(in.Text, byRoot)
	case in.Stock:
		answer.LicenseAnswer, err = h.packages.Stock(in.Text, byRoot)
	default:
		answer, err = h.packages.Enter(hub.PackageEntry{Root: in.Root, Text: in.Text, Renew: in.Renew, User: in.User, By: byRoot})
	}
	switch {
	case err != nil:
		return err
	case answer.Result.Refused():
		return misuse{errors.New(answer.Message)}
	}
	out := packageAnswer{Result: string(answer.Result), Message: answer.Message, Notices: answer.Notices}
	if answer.Package.ID != "" {
		out.Package = &answer.Package
	}
	return writeLocal(w, out)
}

// localPackages lists what a company bought, by the blocks of its root and the vouchers of the hub.
func (h *house) localPackages(w http.ResponseWriter, r *http.Request) error {
	list := []ledger.Package{}
	for after := ""; ; {
		page, err := h.store.Vouchers(after, entriesAtOnce)
		if err != nil {
			return err
		}
		err = h.ledger.Look(func(book ledger.Book) error {
			for _, v := range page {
				after = v.ID
				p, known, err := book.Package(v.ID)
				if err != nil {
					return err
				}
				if !known {
					p = ledger.Package{ID: v.ID}
				}
				if root := r.FormValue("group"); root == "" || root == p.Root {
					list = append(list, p)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(page) < entriesAtOnce {
			return writeLocal(w, map[string]any{"packages": list})
		}
	}
}
