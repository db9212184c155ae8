package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// strictFlags makes a command refuse a flag that is there twice, of which one would be ignored, and one that is empty, which is a variable that a
// script forgot to fill: without it the license would be somebody else's.
func strictFlags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		flag.Value = &strictValue{Value: flag.Value, many: flag.Value.Type() == "stringArray"}
	})
}

type strictValue struct {
	pflag.Value
	many, set bool
}

func (v *strictValue) Set(text string) error {
	switch {
	case text == "":
		return errors.New("it is empty: fill it, or leave the flag away")
	case v.set && !v.many:
		return errors.New("it is there twice: keep one")
	}
	v.set = true
	return v.Value.Set(text)
}
