package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// editionField is the field of a form that says from which edition of a record it was drawn. Programs say it in the header
// If-Match, or not at all.
const editionField = "edition"

// editionOf names the state of a record: another state has another name.
func editionOf(record any) string {
	raw, _ := json.Marshal(record) // records of ours always can be written
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// drawnFrom is the edition that the request was made from; asked is false when it does not say. Every form of the pages says.
func (v *visit) drawnFrom() (edition string, asked bool) {
	if v.isPage() {
		return v.drawn, v.drawn != ""
	}
	edition = strings.Trim(v.r.Header.Get("If-Match"), `"`)
	return edition, edition != "" && edition != "*"
}

// fresh refuses a change that was made from another edition than the present one: somebody else changed what the editor has
// not seen. by is who that was, where it is known.
func (v *visit) fresh(what, present string, by fleet.Edition) error {
	drawn, asked := v.drawnFrom()
	if !asked || drawn == present {
		return nil
	}
	who := ""
	if by.By != "" {
		who = " by " + by.By + " at " + by.At.UTC().Format("15:04 on 2 January 2006 (UTC)")
	}
	return problem(http.StatusConflict, "stale", what+" was changed meanwhile"+who+"; nothing of yours was saved. Open the page anew to see it as it is now, and enter your change again")
}
