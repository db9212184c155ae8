package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// maxExport bounds the events of one count.
const maxExport = 20_000_000

// readExport reads the lines of an export in their order.
func readExport(from io.Reader) ([]held, error) {
	var all []held
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), lineLimit)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if len(all) == maxExport {
			return nil, fmt.Errorf("cannot count more than %d events", maxExport)
		}
		var r received
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("cannot read line %d of the export: %w", len(all)+1, err)
		}
		if r.Panel == "" || r.Event.Epoch == "" || r.Event.Seq == 0 {
			return nil, fmt.Errorf("cannot read line %d of the export: panel, epoch or seq is missing", len(all)+1)
		}
		all = append(all, held{r.Panel, r.Event.Epoch, r.Event.Seq, r.Event.Chain, r.Event.Kind})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the export: %w", err)
	}
	return all, nil
}
