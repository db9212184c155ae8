package notify

// Shipped returns the text that comes with the program, in English when there is none in the language, and the general one
// when there is none for the kind.
func Shipped(kind, language string) Template {
	language = spoken(language)
	if _, ok := kindOf(kind); !ok {
		kind = General
	}
	t := Template{Kind: kind, Language: language}
	switch language {
	case "it":
		t.Subject, t.Body, t.Short = italian(kind)
	case "de":
		t.Subject, t.Body, t.Short = german(kind)
	default:
		t.Subject, t.Body, t.Short = english(kind)
	}
	return t
}

func english(kind string) (subject, body, short string) {
	const outage = "\n\nSince: {since}\nLast contact: {last_seen}\nCause: {cause}\n"
	const id = "\nIncident: {incident}"
	switch kind {
	case "lost":
		return "{site}: no contact with {panels}",
			"There is no contact with {panels} at {site}." + outage + "\nYou will be told when it is back." + id,
			"{site}: no contact with {panels} since {since}. Last contact {last_seen}."
	case "line":
		return "{site}: line or power is away, {count} panels not reached",
			"{count} panels of {site} went at the same time: {panels}." + outage + "\nYou will be told once when it is over." + id,
			"{site}: line or power is away, {count} panels not reached since {since}. Last contact {last_seen}."
	case "stopped":
		return "{site}: {panels} is still stopped",
			"{panels} at {site} was stopped by somebody and has not been started again." + outage + id,
			"{site}: {panels} stopped since {since} and not started again."
	case "broker":
		return "{site}: the hub cannot see the panels",
			"The hub has lost its own connection and does not know how the panels of {site} are. The doors work on their own." + outage + id,
			"{site}: the hub cannot see the panels since {since}. The doors work on their own."
	case "repeat":
		return "{site}: still {of}, {panels}",
			"It is still so at {site}: {of}.\nPanels: {panels}\nFor: {duration}" + outage + id,
			"{site}: still {of}, {panels}, for {duration}, since {since}."
	case "escalated":
		return "{site}: nobody has taken on: {of}, {panels}",
			"Nobody has taken this on at {site}: {of}.\nPanels: {panels}\nFor: {duration}" + outage + "\nPlease look after it, and say so on the hub's page, so that nobody else is called." + id,
			"{site}: {of}, {panels}, since {since}. Nobody has taken it on, please look after it."
	case "more":
		return "{site}: also no contact with {panels}",
			"There is no contact with {panels} either.\n\nNot there at {site}: {missing}\nSince: {since}\nCause: {cause}\n\nYou will be told once when it is over." + id,
			"{site}: also no contact with {panels} since {since}. Not there: {missing}."
	case "partly":
		return "{site}: {panels} is back, {missing} is not",
			"A part of {site} is back.\n\nBack: {panels}\nSince: {back}\nStill not there: {missing}\nCause: {cause}\n\nYou will be told once when it is over." + id,
			"{site}: {panels} back since {back}. Still not there: {missing}."
	case "back":
		return "{site}: {panels} is back",
			"It is over at {site}: {of}.\nPanels: {panels}\nSince: {since}\nOver: {back}\nIt lasted: {duration}\nCause: {cause}\n" + id,
			"{site}: {panels} back at {back} after {duration}."
	case "unsteady":
		return "{site}: {panels} comes and goes",
			"{panels} at {site} went {times} times and came back.\n\nLast contact: {last_seen}\nThere will be no more messages about it until it has been steady for a while." + id,
			"{site}: {panels} comes and goes ({times} times). No more messages until it is steady."
	case "steady":
		return "{site}: {panels} is steady again",
			"{panels} at {site} has been there for a while now.\n\nBack: {back}\n" + id,
			"{site}: {panels} is steady again since {back}."
	case "license":
		return "{site}: the monitoring license ends on {until}",
			"The monitoring license of {site} ends on {until}.\n\nAfterwards the state of the panels can still be seen, but nobody is warned. Doors are not affected.",
			"{site}: the monitoring license ends on {until}. Afterwards nobody is warned."
	case "morning":
		return "{site}: {count} during quiet hours",
			"During quiet hours this happened at {site}:\n\n{lines}",
			"{site}: {count} during quiet hours. See the hub's page."
	case "summary":
		return "{site}: {count} more on this day",
			"More happened at {site} than messages are sent on one day:\n\n{lines}",
			"{site}: {count} more on this day. See the hub's page."
	case "security":
		return "{site}: {text}",
			"{text}\n\nSite: {site}\nPanel: {panels}\nDoor: {door}\nWhen: {at}\n" + id,
			"{site}, {panels}: {text} {at}"
	case "silent_alarm":
		return "SILENT ALARM: {site}, {panels}",
			"Silent alarm. Do not ring back and do not announce help at the door.\n\nSite: {site}\nPanel: {panels}\nDoor: {door}\nWhen: {at}\nCode of: {text}\n" + id,
			"SILENT ALARM {site}, {panels}, {at}. Do not ring back."
	case "silent_test":
		return "{site}: test of the silent alarm, number {number}",
			"This is a test of the silent alarm of {panels} at {site}. Nothing has happened.\n\nNumber: {number}\nWhen: {at}\n\nTell the number to whoever looks after the panel. The silent alarm is switched on when it is entered there.",
			"{site}, {panels}: test of the silent alarm, number {number}. Nothing has happened."
	case "reminder":
		return "{group}: licenses end on {until}",
			"Licenses of {group} end on {until}: {licenses}.\nDays left: {days}\n\nGroup: {path} > {group}\nThat many stop then unless they are renewed: {stops}\n{stopping}\n\nWhat stops comes back by itself when the licenses are renewed. Calls in progress are not cut off, and doors are not affected.",
			"{group}: licenses end on {until}: {licenses}."
	case "test":
		return "{site}: test message",
			"This is a test. Messages from {site} reach you.\n\nAsked for by: {by}\nWhen: {at}",
			"{site}: test message, {at}."
	}
	return "{site}: {kind}", "There is a message of the kind {kind}.\n\n{facts}", "{site}: {kind}. See the hub's page."
}

func italian(kind string) (subject, body, short string) {
	const outage = "\n\nDa: {since}\nUltimo contatto: {last_seen}\nCausa: {cause}\n"
	const id = "\nEvento: {incident}"
	switch kind {
	case "lost":
		return "{site}: nessun contatto con {panels}",
			"Non c'è contatto con {panels} presso {site}." + outage + "\nSeguirà un avviso quando sarà di nuovo raggiungibile." + id,
			"{site}: nessun contatto con {panels} da {since}. Ultimo contatto {last_seen}."
	case "line":
		return "{site}: manca la linea o la corrente, {count} posti esterni non raggiungibili",
			"{count} posti esterni di {site} sono spariti insieme: {panels}." + outage + "\nSeguirà un solo avviso quando sarà finita." + id,
			"{site}: manca la linea o la corrente, {count} posti esterni non raggiungibili da {since}. Ultimo contatto {last_seen}."
	case "stopped":
		return "{site}: {panels} è ancora spento",
			"{panels} presso {site} è stato spento da qualcuno e non è stato riacceso." + outage + id,
			"{site}: {panels} spento da {since} e non riacceso."
	case "broker":
		return "{site}: il centro non vede i posti esterni",
			"Il centro ha perso la propria connessione e non sa come stanno i posti esterni di {site}. Le porte funzionano da sole." + outage + id,
			"{site}: il centro non vede i posti esterni da {since}. Le porte funzionano da sole."
	case "repeat":
		return "{site}: ancora {of}, {panels}",
			"Presso {site} la situazione continua: {of}.\nPosti esterni: {panels}\nDurata: {duration}" + outage + id,
			"{site}: ancora {of}, {panels}, da {duration}, dal {since}."
	case "escalated":
		return "{site}: nessuno se ne occupa: {of}, {panels}",
			"Presso {site} nessuno se ne occupa: {of}.\nPosti esterni: {panels}\nDurata: {duration}" + outage + "\nSe ne occupi, per favore, e lo indichi nella pagina del centro, così nessun altro sarà chiamato." + id,
			"{site}: {of}, {panels}, da {since}. Nessuno se ne occupa, per favore intervenga."
	case "more":
		return "{site}: nessun contatto nemmeno con {panels}",
			"Non c'è contatto nemmeno con {panels}.\n\nNon raggiungibili presso {site}: {missing}\nDa: {since}\nCausa: {cause}\n\nSeguirà un solo avviso quando sarà finita." + id,
			"{site}: nessun contatto nemmeno con {panels} da {since}. Non raggiungibili: {missing}."
	case "partly":
		return "{site}: {panels} di nuovo raggiungibile, {missing} no",
			"Una parte di {site} è di nuovo raggiungibile.\n\nDi nuovo raggiungibili: {panels}\nDa: {back}\nAncora non raggiungibili: {missing}\nCausa: {cause}\n\nSeguirà un solo avviso quando sarà finita." + id,
			"{site}: {panels} di nuovo raggiungibile da {back}. Ancora no: {missing}."
	case "back":
		return "{site}: {panels} di nuovo raggiungibile",
			"Presso {site} è finita: {of}.\nPosti esterni: {panels}\nDa: {since}\nFine: {back}\nDurata: {duration}\nCausa: {cause}\n" + id,
			"{site}: {panels} di nuovo raggiungibile alle {back} dopo {duration}."
	case "unsteady":
		return "{site}: {panels} va e viene",
			"{panels} presso {site} è sparito {times} volte ed è tornato.\n\nUltimo contatto: {last_seen}\nNon ci saranno altri avvisi finché non sarà stabile." + id,
			"{site}: {panels} va e viene ({times} volte). Nessun altro avviso finché non sarà stabile."
	case "steady":
		return "{site}: {panels} è di nuovo stabile",
			"{panels} presso {site} è stabile da un po'.\n\nTornato: {back}\n" + id,
			"{site}: {panels} di nuovo stabile da {back}."
	case "license":
		return "{site}: la licenza di monitoraggio termina il {until}",
			"La licenza di monitoraggio di {site} termina il {until}.\n\nDopo, lo stato dei posti esterni resterà visibile, ma nessuno sarà avvisato. Le porte non ne risentono.",
			"{site}: la licenza di monitoraggio termina il {until}. Dopo nessuno sarà avvisato."
	case "morning":
		return "{site}: {count} durante le ore di silenzio",
			"Durante le ore di silenzio presso {site} è successo questo:\n\n{lines}",
			"{site}: {count} durante le ore di silenzio. Vedere la pagina del centro."
	case "summary":
		return "{site}: altri {count} in questo giorno",
			"Presso {site} è successo più di quanto si mandi in un giorno:\n\n{lines}",
			"{site}: altri {count} in questo giorno. Vedere la pagina del centro."
	case "security":
		return "{site}: {text}",
			"{text}\n\nSito: {site}\nPosto esterno: {panels}\nPorta: {door}\nQuando: {at}\n" + id,
			"{site}, {panels}: {text} {at}"
	case "silent_alarm":
		return "ALLARME SILENZIOSO: {site}, {panels}",
			"Allarme silenzioso. Non richiamare e non annunciare aiuto alla porta.\n\nSito: {site}\nPosto esterno: {panels}\nPorta: {door}\nQuando: {at}\nCodice di: {text}\n" + id,
			"ALLARME SILENZIOSO {site}, {panels}, {at}. Non richiamare."
	case "silent_test":
		return "{site}: prova dell'allarme silenzioso, numero {number}",
			"Questa è una prova dell'allarme silenzioso di {panels} presso {site}. Non è successo nulla.\n\nNumero: {number}\nQuando: {at}\n\nComunichi il numero a chi si occupa del posto esterno. L'allarme silenzioso si attiva quando il numero vi viene inserito.",
			"{site}, {panels}: prova dell'allarme silenzioso, numero {number}. Non è successo nulla."
	case "reminder":
		return "{group}: le licenze scadono il {until}",
			"Le licenze di {group} scadono il {until}: {licenses}.\nGiorni rimanenti: {days}\n\nGruppo: {path} > {group}\nSenza rinnovo, allora smettono di funzionare: {stops}\n{stopping}\n\nCon il rinnovo tutto riprende da solo. Le chiamate in corso non vengono interrotte e le porte non sono interessate.",
			"{group}: le licenze scadono il {until}: {licenses}."
	case "test":
		return "{site}: messaggio di prova",
			"Questa è una prova. I messaggi di {site} arrivano.\n\nRichiesta da: {by}\nQuando: {at}",
			"{site}: messaggio di prova, {at}."
	}
	return "{site}: {kind}", "C'è un messaggio del tipo {kind}.\n\n{facts}", "{site}: {kind}. Vedere la pagina del centro."
}

func german(kind string) (subject, body, short string) {
	const outage = "\n\nSeit: {since}\nLetzter Kontakt: {last_seen}\nUrsache: {cause}\n"
	const id = "\nVorfall: {incident}"
	switch kind {
	case "lost":
		return "{site}: kein Kontakt zu {panels}",
			"Zu {panels} am Standort {site} besteht kein Kontakt." + outage + "\nEs folgt eine Nachricht, sobald er wieder besteht." + id,
			"{site}: kein Kontakt zu {panels} seit {since}. Letzter Kontakt {last_seen}."
	case "line":
		return "{site}: Leitung oder Strom ist weg, {count} Türstationen nicht erreicht",
			"{count} Türstationen am Standort {site} gingen zugleich: {panels}." + outage + "\nEs folgt eine einzige Nachricht, wenn es vorbei ist." + id,
			"{site}: Leitung oder Strom ist weg, {count} Türstationen nicht erreicht seit {since}. Letzter Kontakt {last_seen}."
	case "stopped":
		return "{site}: {panels} ist noch immer angehalten",
			"{panels} am Standort {site} wurde von jemandem angehalten und nicht wieder gestartet." + outage + id,
			"{site}: {panels} seit {since} angehalten und nicht wieder gestartet."
	case "broker":
		return "{site}: die Zentrale sieht die Türstationen nicht",
			"Die Zentrale hat ihre eigene Verbindung verloren und weiß nicht, wie es den Türstationen am Standort {site} geht. Die Türen arbeiten allein weiter." + outage + id,
			"{site}: die Zentrale sieht die Türstationen nicht seit {since}. Die Türen arbeiten allein weiter."
	case "repeat":
		return "{site}: noch immer {of}, {panels}",
			"Am Standort {site} ist es noch immer so: {of}.\nTürstationen: {panels}\nSchon: {duration}" + outage + id,
			"{site}: noch immer {of}, {panels}, schon {duration}, seit {since}."
	case "escalated":
		return "{site}: niemand kümmert sich: {of}, {panels}",
			"Am Standort {site} kümmert sich niemand darum: {of}.\nTürstationen: {panels}\nSchon: {duration}" + outage + "\nBitte kümmern Sie sich darum und sagen Sie es auf der Seite der Zentrale, damit niemand sonst gerufen wird." + id,
			"{site}: {of}, {panels}, seit {since}. Niemand kümmert sich, bitte übernehmen."
	case "more":
		return "{site}: auch kein Kontakt zu {panels}",
			"Auch zu {panels} besteht kein Kontakt.\n\nNicht da am Standort {site}: {missing}\nSeit: {since}\nUrsache: {cause}\n\nEs folgt eine einzige Nachricht, wenn es vorbei ist." + id,
			"{site}: auch kein Kontakt zu {panels} seit {since}. Nicht da: {missing}."
	case "partly":
		return "{site}: {panels} ist wieder da, {missing} nicht",
			"Ein Teil des Standorts {site} ist wieder da.\n\nWieder da: {panels}\nSeit: {back}\nNoch nicht da: {missing}\nUrsache: {cause}\n\nEs folgt eine einzige Nachricht, wenn es vorbei ist." + id,
			"{site}: {panels} wieder da seit {back}. Noch nicht da: {missing}."
	case "back":
		return "{site}: {panels} ist wieder da",
			"Am Standort {site} ist es vorbei: {of}.\nTürstationen: {panels}\nSeit: {since}\nVorbei: {back}\nDauer: {duration}\nUrsache: {cause}\n" + id,
			"{site}: {panels} wieder da um {back} nach {duration}."
	case "unsteady":
		return "{site}: {panels} kommt und geht",
			"{panels} am Standort {site} war {times}-mal weg und kam zurück.\n\nLetzter Kontakt: {last_seen}\nEs folgen keine Nachrichten mehr, bis es eine Weile ruhig war." + id,
			"{site}: {panels} kommt und geht ({times}-mal). Keine Nachrichten mehr, bis es ruhig ist."
	case "steady":
		return "{site}: {panels} ist wieder beständig da",
			"{panels} am Standort {site} ist seit einer Weile beständig da.\n\nWieder da: {back}\n" + id,
			"{site}: {panels} wieder beständig da seit {back}."
	case "license":
		return "{site}: die Lizenz für die Überwachung endet am {until}",
			"Die Lizenz für die Überwachung des Standorts {site} endet am {until}.\n\nDanach ist der Zustand der Türstationen weiter zu sehen, aber niemand wird gewarnt. Die Türen sind nicht betroffen.",
			"{site}: die Lizenz für die Überwachung endet am {until}. Danach wird niemand gewarnt."
	case "morning":
		return "{site}: {count} während der Ruhezeit",
			"Während der Ruhezeit geschah am Standort {site}:\n\n{lines}",
			"{site}: {count} während der Ruhezeit. Siehe Seite der Zentrale."
	case "summary":
		return "{site}: {count} weitere an diesem Tag",
			"Am Standort {site} geschah mehr, als an einem Tag gemeldet wird:\n\n{lines}",
			"{site}: {count} weitere an diesem Tag. Siehe Seite der Zentrale."
	case "security":
		return "{site}: {text}",
			"{text}\n\nStandort: {site}\nTürstation: {panels}\nTür: {door}\nWann: {at}\n" + id,
			"{site}, {panels}: {text} {at}"
	case "silent_alarm":
		return "STILLER ALARM: {site}, {panels}",
			"Stiller Alarm. Nicht zurückrufen und an der Tür keine Hilfe ankündigen.\n\nStandort: {site}\nTürstation: {panels}\nTür: {door}\nWann: {at}\nCode von: {text}\n" + id,
			"STILLER ALARM {site}, {panels}, {at}. Nicht zurückrufen."
	case "silent_test":
		return "{site}: Test des stillen Alarms, Nummer {number}",
			"Dies ist ein Test des stillen Alarms von {panels} am Standort {site}. Es ist nichts geschehen.\n\nNummer: {number}\nWann: {at}\n\nNennen Sie die Nummer dem, der die Türstation betreut. Der stille Alarm ist eingeschaltet, sobald sie dort eingegeben ist.",
			"{site}, {panels}: Test des stillen Alarms, Nummer {number}. Es ist nichts geschehen."
	case "reminder":
		return "{group}: Lizenzen enden am {until}",
			"Lizenzen von {group} enden am {until}: {licenses}.\nVerbleibende Tage: {days}\n\nGruppe: {path} > {group}\nSo viele hören dann auf, wenn nicht verlängert wird: {stops}\n{stopping}\n\nWas aufhört, kommt mit der Verlängerung von selbst zurück. Laufende Gespräche werden nicht getrennt, und Türen sind nicht betroffen.",
			"{group}: Lizenzen enden am {until}: {licenses}."
	case "test":
		return "{site}: Testnachricht",
			"Dies ist ein Test. Nachrichten von {site} kommen an.\n\nVeranlasst von: {by}\nWann: {at}",
			"{site}: Testnachricht, {at}."
	}
	return "{site}: {kind}", "Es gibt eine Nachricht der Art {kind}.\n\n{facts}", "{site}: {kind}. Siehe Seite der Zentrale."
}
