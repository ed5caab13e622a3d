// Package number knows how the parties of a message are written: by the apps
// that call the API, in the addresses of SMPP, and in our own answers and logs.
//
// # The kinds of address
//
// A subscriber has an MSISDN, a number of the public telephone network: at most
// 15 digits, country code first (ITU-T E.164). An application has a short code of
// 3 to 8 digits, which only its own network understands. A picture or in-app
// message may also go to an e-mail address. A sender may finally be a name of up
// to 11 characters, which nobody can answer. [Address] holds any of them.
//
// Equal parties are equal values, however they were spelled, because each parser
// reduces its input to one canonical form:
//
//	a, _ := number.ParseAddress("tel:(425) 555-0100")
//	b, _ := number.ParseAddress("+1 425.555.0100")
//	a == b       // true
//	a.String()   // "+14255550100"
//	a.URI()      // "tel:+14255550100"
//	a.Masked()   // "+1425****100", also what log/slog shows
//
// # Spellings
//
// The home country is the North American Numbering Plan (country code 1): ten
// digits are an area code (NPA), an exchange (NXX) and a line, and mean +1. The
// published client kits send ten digits, 1 and ten digits, or +1 and ten digits,
// with or without "tel:", with dashes, dots, parentheses and blanks. A '+' that
// was not escaped in a form arrives as a blank. All of these are read
// (docs/reference/sms.md §2, §6; docs/reference/in-app-messaging.md §3).
// The parameters of a tel URI (RFC 3966 §3) are dropped.
//
// A home number is judged by the pattern of the plan alone and not by a list of
// what is assigned today, so the numbers reserved for fiction, 555-0100 to
// 555-0199 in any area code, are as good as any other. Numbers of other countries
// must begin with '+', and their length is checked against the plan of that
// country by github.com/nyaruka/phonenumbers.
//
// # Addresses in SMPP
//
// An SMPP address is a string with a type of number ([TON]) and a numbering plan
// ([NPI]) beside it. Message centres disagree about both; [SMPP] writes the
// profile that most accept, and [FromSMPP] looks at the digits more than at the
// labels. What comes from the network is not held to the rules for apps: the
// network is the authority on who its senders are.
//
// Left out: whether a number is in service, which carrier serves it, vanity
// letters, and dialling prefixes such as 011 in what apps send.
package number
