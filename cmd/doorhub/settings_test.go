package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/web"
)

// keptSettings is a store of one setting.
type keptSettings struct {
	value []byte
	fails error
}

func (k *keptSettings) Setting(string) (fleet.Setting, error) {
	if k.value == nil {
		return fleet.Setting{}, fleet.ErrUnknown
	}
	return fleet.Setting{Value: k.value}, k.fails
}

func (k *keptSettings) PutSetting(_ string, value []byte, _ fleet.Edit) (fleet.Edition, error) {
	if k.fails == nil {
		k.value = value
	}
	return fleet.Edition{}, k.fails
}

func newSettings(t *testing.T, store *keptSettings, toml string) (*settings, *[]web.HubSettings) {
	t.Helper()
	file, problems := configs.ParseHub("x", []byte(toml))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	applied := &[]web.HubSettings{}
	s := &settings{
		store: store, file: file, addresses: func() []string { return []string{"hub:8883"} },
		check: func(web.HubSettings) error { return nil }, apply: func(h web.HubSettings) { *applied = append(*applied, h) },
	}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	return s, applied
}

func TestSecretsOfSettingsAreNeverShownAndStayWhatTheyWere(t *testing.T) {
	s, applied := newSettings(t, &keptSettings{}, "")
	given := web.HubSettings{
		Name: "Rossi", Mail: web.Mail{Server: "m", Port: 587, TLS: "starttls", Password: "hush", From: "a@b.c"},
		SMS:   []web.SMSGateway{{Name: "one", URL: "https://s", Secret: "hush"}},
		Hooks: []web.Hook{{Name: "desk", URL: "https://h", Secret: "hush"}},
	}
	if err := s.PutSettings(t.Context(), given, fleet.Change{}); err != nil {
		t.Fatal(err)
	}
	shown, err := s.Settings()
	if err != nil || shown.Mail.Password != web.Hidden || shown.SMS[0].Secret != web.Hidden || shown.Hooks[0].Secret != web.Hidden || shown.Addrs[0] != "hub:8883" {
		t.Errorf("%+v, %v", shown, err)
	}
	shown.Mail.From = "x@b.c"
	if err := s.PutSettings(t.Context(), shown, fleet.Change{}); err != nil {
		t.Fatal(err)
	}
	now := (*applied)[len(*applied)-1]
	if now.Mail.Password != "hush" || now.SMS[0].Secret != "hush" || now.Hooks[0].Secret != "hush" || now.Mail.From != "x@b.c" {
		t.Errorf("%+v", now)
	}
}

func TestASecretIsNotSentElsewhere(t *testing.T) {
	for name, change := range map[string]func(*web.HubSettings){
		"mail": func(h *web.HubSettings) { h.Mail.Server = "mine" },
		"sms":  func(h *web.HubSettings) { h.SMS[0].URL = "https://mine" },
		"hook": func(h *web.HubSettings) { h.Hooks[0].URL = "https://mine" },
	} {
		t.Run(name, func(t *testing.T) {
			s, applied := newSettings(t, &keptSettings{}, "")
			if err := s.PutSettings(t.Context(), web.HubSettings{
				Mail: web.Mail{Server: "m", Password: "hush"}, SMS: []web.SMSGateway{{Name: "one", URL: "https://s", Secret: "hush"}},
				Hooks: []web.Hook{{Name: "desk", URL: "https://h", Secret: "hush"}},
			}, fleet.Change{}); err != nil {
				t.Fatal(err)
			}
			shown, _ := s.Settings()
			change(&shown)
			if err := s.PutSettings(t.Context(), shown, fleet.Change{}); !errors.Is(err, web.ErrInvalid) || len(*applied) != 1 {
				t.Errorf("%v, applied %d times", err, len(*applied))
			}
		})
	}
}

func TestWhatTheFileGivesWinsAndItsSecretsStayThere(t *testing.T) {
	store := &keptSettings{}
	s, _ := newSettings(t, store, "name = \"File\"\n[mail]\nserver = \"m\"\nfrom = \"a@b.c\"\npassword = \"hush\"\n[[retention]]\ndays = 7\n")
	h := s.current()
	if want := []string{"name", "mail", "keep"}; !reflect.DeepEqual(h.Fixed, want) || h.Name != "File" || h.Mail.Password != "hush" || h.Keep[0].Days != 7 {
		t.Errorf("%+v", h)
	}
	shown, _ := s.Settings()
	shown.Name, shown.SMS = "Page", []web.SMSGateway{{Name: "one", URL: "https://s"}}
	if err := s.PutSettings(t.Context(), shown, fleet.Change{}); err != nil {
		t.Fatal(err)
	}
	if h := s.current(); h.Name != "File" || len(h.SMS) != 1 {
		t.Errorf("%+v", h)
	}
	if strings.Contains(string(store.value), "hush") || strings.Contains(string(store.value), "File") {
		t.Errorf("the store holds %s", store.value)
	}
}

func TestSettingsThatCannotBeKeptAreNotInForce(t *testing.T) {
	store := &keptSettings{}
	s, applied := newSettings(t, store, "")
	store.fails = errors.New("disk full")
	if err := s.PutSettings(t.Context(), web.HubSettings{Name: "x"}, fleet.Change{}); err == nil || len(*applied) > 0 || s.name() != defaultName {
		t.Errorf("%v, %d, %s", err, len(*applied), s.name())
	}
	store.fails = nil
	s.check = func(web.HubSettings) error { return errors.New("no such server") }
	if err := s.PutSettings(t.Context(), web.HubSettings{Name: "x"}, fleet.Change{}); !errors.Is(err, web.ErrInvalid) || store.value != nil {
		t.Errorf("%v, %s", err, store.value)
	}
}
