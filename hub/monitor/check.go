package monitor

// CheckRecipients says what is wrong with a list of recipients, or nil.
func CheckRecipients(list []Recipient) error { return nil }

// CheckMaintenance says what is wrong with a list of maintenance windows, or nil.
func CheckMaintenance(windows []Maintenance) error { return nil }
