// Package gsm is the short message itself: its alphabets, its length, its parts.
// It follows 3GPP TS 23.038 (alphabets) and TS 23.040 (user data and its header)
// and knows of SMPP only how a PDU carries them.
//
// # Alphabets
//
// The user data of a short message has 140 octets. Text is put into them in one of
// three ways:
//
//   - The GSM 7-bit default alphabet has 128 characters of 7 bits, septets, so that
//     160 fit. Ten more, among them { } [ ] ~ \ | ^ and €, stand in an extension
//     table; each takes two septets, an escape and a code.
//   - Latin-1 and other octet alphabets: 140 characters. Handsets show them less
//     reliably, so they are never chosen by themselves.
//   - UCS-2: 70 units of 16 bits. It is really UTF-16: an emoji takes two units, a
//     surrogate pair.
//
// The data coding scheme ([DCS]) says which of them it is; in SMPP it is the field
// data_coding, whose low values mean something else than on the air. On the air
// septets are packed, eight into seven octets; SMPP carries them unpacked, one to
// an octet, and so does [Split]. [Pack] and [Unpack] are for peers that pack.
//
// # Segments
//
// A longer text is sent as several messages, segments, which the handset puts
// together again. Each begins with a user data header ([UDH]) with a reference, the
// total and its own number ([Concat]). The header takes room, six octets, or seven
// with a 16-bit reference:
//
//	             alone   in a segment   with a 16-bit reference
//	GSM 7-bit     160        153                152
//	Latin-1       140        134                133
//	UCS-2          70         67                 66
//
// [Split] cuts a text so that neither an escape from its code nor a surrogate from
// its partner is separated. [Count] says beforehand how many segments it will take.
// [Join] is the other direction and forgives what Split would not do: it puts the
// octets together before reading them.
//
//	m, err := gsm.Split("Your pizza is on its way", gsm.SplitOptions{Ref: 7})
//	m.DCS                     // data_coding
//	m.Segments[0].UserData    // short_message
//
// # Nothing is lost
//
// A text from the network is always given as text: what cannot be read becomes
// U+FFFD, the replacement character, and never an error that would drop the rest.
//
// Left out: the national language tables of TS 23.038 §6.2.1.2, compression
// (TS 23.042), and the Japanese and Korean codings of SMPP.
package gsm
