package panel

// Words is what the display says. A %s stands for the name on the button, %d for seconds or minutes.
type Words struct {
	Calling, Connected, NoTarget, ButtonOff, NotPossible            string
	Busy, Refused, NoAnswer, Unreachable, CallOver                  string
	ComeIn, Exit, Fire, Tamper, HeldOpen, Forced, SetupCode, Wait   string
	Unknown, Revoked, OtherDoor, NotYetValid, Expired, OutsideHours string
	ClockUnknown, NotLicensed, Tampered, CannotRecord, CannotLookUp string
	NotOurCode, NoCodeSeen, StrikeDead                              string
	HeldSoon, StaysOpen, Locked, OtherDoorFirst, Lockdown, FireOnly string
	NoRight, TooWeak, UsedUp, PassedBack, NotThisPass               string
	NowCode, NowCard, WaitMinutes                                   string
	PairingClosed, PairingFailed, Paired                            string
}

// WordsIn returns the words of a language (ISO 639-1), English where it is not known.
func WordsIn(language string) Words {
	switch language {
	case "it":
		return Words{
			Calling: "Chiamata a %s", Connected: "%s risponde", NoTarget: "Nessuno è assegnato a questo pulsante",
			ButtonOff: "Questo pulsante non è attivo", NotPossible: "%s non si può chiamare da qui",
			Busy: "%s è occupato", Refused: "%s non può rispondere", NoAnswer: "%s non risponde", Unreachable: "%s non è raggiungibile",
			CallOver: "Chiamata terminata", ComeIn: "Prego, entrate", Exit: "Porta aperta", Fire: "Allarme incendio: porte aperte",
			Tamper: "Manomissione rilevata", HeldOpen: "Chiudere la porta", Forced: "Porta forzata", SetupCode: "Codice di avvio %s",
			Wait: "Troppi codici errati. Attendere %d s", Unknown: "Non riconosciuto", Revoked: "Non più valido", OtherDoor: "Non per questa porta",
			NotYetValid: "Non ancora valido", Expired: "Scaduto", OutsideHours: "Non a quest'ora", ClockUnknown: "L'ora non è nota. Riprovare più tardi",
			NotLicensed: "Il controllo accessi non è attivo", Tampered: "Bloccato dopo una manomissione", CannotRecord: "Impossibile registrare. Riprovare", CannotLookUp: "Impossibile verificare. Riprovare",
			NotOurCode: "Questo non è uno dei nostri codici", NoCodeSeen: "Nessun codice visto. Tenerlo fermo", StrikeDead: "La porta non risponde",
			HeldSoon: "La porta è ancora aperta", StaysOpen: "La porta resta aperta", Locked: "Porta bloccata", OtherDoorFirst: "Chiudere prima l'altra porta",
			Lockdown: "Chiusura di emergenza: ingresso vietato", FireOnly: "Allarme incendio",
			NoRight: "Nessun permesso di accesso", TooWeak: "Questa tessera si può copiare e qui non è ammessa", UsedUp: "Già usato",
			PassedBack: "Risulta già all'interno", NotThisPass: "Permesso non valido qui", WaitMinutes: "Troppi codici errati. Attendere %d min", NowCode: "Ora il codice", NowCard: "Ora la tessera",
			PairingClosed: "Codice di un hub: chiedere all'installatore di premere il tasto di servizio", PairingFailed: "Collegamento all'hub non riuscito", Paired: "Collegato a %s",
		}
	case "de":
		return Words{
			Calling: "%s wird gerufen", Connected: "%s ist am Apparat", NoTarget: "Dieser Taste ist niemand zugeordnet",
			ButtonOff: "Diese Taste ist nicht aktiv", NotPossible: "%s kann von hier nicht gerufen werden",
			Busy: "%s spricht gerade", Refused: "%s kann nicht antworten", NoAnswer: "%s antwortet nicht", Unreachable: "%s ist nicht erreichbar",
			CallOver: "Gespräch beendet", ComeIn: "Bitte eintreten", Exit: "Tür offen", Fire: "Feueralarm: Türen offen",
			Tamper: "Sabotage erkannt", HeldOpen: "Bitte Tür schließen", Forced: "Tür aufgebrochen", SetupCode: "Einrichtungscode %s",
			Wait: "Zu viele falsche Codes. Bitte %d s warten", Unknown: "Nicht erkannt", Revoked: "Nicht mehr gültig", OtherDoor: "Nicht für diese Tür",
			NotYetValid: "Noch nicht gültig", Expired: "Abgelaufen", OutsideHours: "Nicht zu dieser Zeit", ClockUnknown: "Uhrzeit unbekannt. Später versuchen",
			NotLicensed: "Zutrittskontrolle ist nicht aktiv", Tampered: "Nach Sabotage gesperrt", CannotRecord: "Kann nicht aufzeichnen. Bitte erneut", CannotLookUp: "Kann nicht prüfen. Bitte erneut",
			NotOurCode: "Das ist keiner unserer Codes", NoCodeSeen: "Kein Code erkannt. Bitte ruhig halten", StrikeDead: "Die Tür antwortet nicht",
			HeldSoon: "Die Tür steht noch offen", StaysOpen: "Die Tür bleibt offen", Locked: "Tür verriegelt", OtherDoorFirst: "Bitte zuerst die andere Tür schließen",
			Lockdown: "Notverriegelung: kein Zutritt", FireOnly: "Feueralarm",
			NoRight: "Kein Zutrittsrecht", TooWeak: "Diese Karte ist kopierbar und hier nicht zugelassen", UsedUp: "Bereits verbraucht",
			PassedBack: "Bereits als anwesend vermerkt", NotThisPass: "Besucherpass gilt hier nicht", WaitMinutes: "Zu viele falsche Codes. Bitte %d min warten", NowCode: "Jetzt der Code", NowCard: "Jetzt die Karte",
			PairingClosed: "Code eines Hubs: bitte den Installateur, die Servicetaste zu drücken", PairingFailed: "Verbindung mit dem Hub nicht gelungen", Paired: "Verbunden mit %s",
		}
	}
	return Words{
		Calling: "Calling %s", Connected: "%s is on the line", NoTarget: "Nobody is set for this button",
		ButtonOff: "This button is not active", NotPossible: "%s cannot be called from here",
		Busy: "%s is busy", Refused: "%s cannot answer now", NoAnswer: "%s does not answer", Unreachable: "%s cannot be reached",
		CallOver: "Call ended", ComeIn: "Please come in", Exit: "Door open", Fire: "Fire alarm: doors open",
		Tamper: "Tampering detected", HeldOpen: "Please close the door", Forced: "Door forced open", SetupCode: "Setup code %s",
		Wait: "Too many wrong codes. Wait %d s", Unknown: "Not recognized", Revoked: "No longer valid", OtherDoor: "Not for this door",
		NotYetValid: "Not valid yet", Expired: "Expired", OutsideHours: "Not at this hour", ClockUnknown: "The time is not known. Try later",
		NotLicensed: "Access control is not active", Tampered: "Blocked after tampering", CannotRecord: "Cannot record. Please try again", CannotLookUp: "Cannot look this up. Please try again",
		NotOurCode: "This is not one of our codes", NoCodeSeen: "No code seen. Hold it still", StrikeDead: "The door does not answer",
		HeldSoon: "The door is still open", StaysOpen: "The door stays open", Locked: "Door locked", OtherDoorFirst: "Please close the other door first",
		Lockdown: "Lockdown: no entry", FireOnly: "Fire alarm",
		NoRight: "No right to enter", TooWeak: "This card can be copied and is not accepted here", UsedUp: "Used up",
		PassedBack: "You are inside already", NotThisPass: "This pass is not valid here", WaitMinutes: "Too many wrong codes. Wait %d min", NowCode: "Now your code", NowCard: "Now your card",
		PairingClosed: "A hub's code: ask your installer to press the service button", PairingFailed: "The hub did not take this panel in", Paired: "Connected to %s",
	}
}
