package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// userChange is what the API takes to make or change a user.
type userChange struct {
	Password string   `json:"password,omitempty"`
	Role     string   `json:"role,omitempty"`
	Sites    []string `json:"sites,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

func userCommand() *cobra.Command {
	p := &place{}
	return group(p, "user", "Who may log in to the hub's pages", userAdd(p), userList(p), userRole(p), userPassword(p), userRemove(p))
}

func userPath(name string) string { return "/api/v1/users/" + url.PathEscape(name) }

func userAdd(p *place) *cobra.Command {
	var role, file string
	var sites, groups []string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a user", Args: cobra.ExactArgs(1),
		Long: "Make a user. The password is asked for on the terminal, or is the first line of standard input or of --password-file.",
		Example: "  doorhub user add anna --role operator\n" +
			"  doorhub user add bruno --role viewer --sites via-roma-7,via-po-2 --password-file bruno.txt\n" +
			"  doorhub user add carla --role dealer --groups north",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := askPassword(cmd, file)
			if err != nil {
				return err
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var list userAnswer
				if err := a.call(ctx, http.MethodGet, "/api/v1/users", nil, &list); err != nil {
					return err
				}
				for _, u := range list.Users {
					if u.User == args[0] {
						return fmt.Errorf("cannot make user %s: there is one; change it with doorhub user role or user password", args[0])
					}
				}
				if err := a.call(ctx, http.MethodPut, userPath(args[0]), userChange{password, role, sites, groups}, nil); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s may log in as %s.\n", args[0], role)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", roles.Viewer, "`ROLE`: one of doorhub role list")
	where(cmd, &sites, &groups)
	cmd.Flags().StringVar(&file, "password-file", "", "`FILE` whose first line is the password")
	return cmd
}

// where adds the flags that say where a role holds.
func where(cmd *cobra.Command, sites, groups *[]string) {
	cmd.Flags().StringSliceVar(sites, "sites", nil, "`IDS` of the sites where the role holds (default: the whole hub)")
	cmd.Flags().StringSliceVar(groups, "groups", nil, "`IDS` of the groups where it holds, with everything below")
}

// userAnswer is the API's list of users.
type userAnswer struct {
	Users []struct {
		User  string `json:"user"`
		Roles []struct {
			Role  string `json:"role"`
			Title string `json:"title"`
			Group string `json:"group"`
			Where string `json:"where"`
		} `json:"roles"`
	} `json:"users"`
}

func userList(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List who may log in", Args: cobra.NoArgs, Example: "  doorhub user list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var list userAnswer
				if err := a.call(ctx, http.MethodGet, "/api/v1/users", nil, &list); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, list)
				}
				var rows [][]string
				for _, u := range list.Users {
					if len(u.Roles) == 0 {
						rows = append(rows, []string{u.User, "", ""})
					}
					for _, r := range u.Roles {
						rows = append(rows, []string{u.User, r.Role, r.Where})
					}
				}
				return printTable(cmd, "NAME ROLE WHERE", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func userRole(p *place) *cobra.Command {
	var sites, groups []string
	cmd := &cobra.Command{
		Use: "role NAME ROLE", Short: "Give a user one role in place of all that he has", Args: cobra.ExactArgs(2),
		Example: "  doorhub user role anna administrator\n  doorhub user role bruno dealer --groups north",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodPut, userPath(args[0]), userChange{Role: args[1], Sites: sites, Groups: groups}, nil)
			})
		},
	}
	where(cmd, &sites, &groups)
	return cmd
}

func userPassword(p *place) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "password NAME", Short: "Set a user's password anew; their sessions end", Args: cobra.ExactArgs(1),
		Example: "  doorhub user password admin\n  echo 'four words are easy' | doorhub user password admin",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := askPassword(cmd, file)
			if err != nil {
				return err
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodPut, userPath(args[0]), userChange{Password: password}, nil)
			})
		},
	}
	cmd.Flags().StringVar(&file, "password-file", "", "`FILE` whose first line is the password")
	return cmd
}

func userRemove(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a user; the last administrator stays", Args: cobra.ExactArgs(1), Example: "  doorhub user remove anna",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodDelete, userPath(args[0]), nil, nil)
			})
		},
	}
}

// askPassword reads a password from a file, a terminal (twice), or a pipe. It never stands among a command's arguments,
// where everybody on the host could read it.
func askPassword(cmd *cobra.Command, file string) (string, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("cannot read password: %w", err)
		}
		defer f.Close()
		return firstLine(f)
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return firstLine(cmd.InOrStdin())
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		line, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("cannot read password: %w", err)
		}
		typed[i] = string(line)
	}
	if typed[0] != typed[1] {
		return "", errors.New("cannot set password: the two are not the same; try again")
	}
	return typed[0], nil
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("cannot read password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("cannot read password: it is empty; write it into the first line of standard input or of --password-file")
	}
	return line, nil
}
