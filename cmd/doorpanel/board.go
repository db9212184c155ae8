package main

import (
	"errors"
	"log/slog"

	"github.com/doorpanel/doorpanel/configs"
)

func newBoard(c configs.Config, log *slog.Logger, parts *parts, s *senses) (*hardware, error) {
	return nil, errors.New("cannot use hardware \"board\": not built yet")
}
