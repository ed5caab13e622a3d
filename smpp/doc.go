// Package smpp speaks SMPP 3.4, the protocol between a short message centre and those who
// send and receive through it, from both ends of the wire.
//
// # Who talks to whom
//
// The SMSC (short message service centre) stores short messages and delivers them to handsets.
// An ESME (external short messaging entity) is anybody else: a gateway, an application, us.
// The ESME opens a TCP or TLS connection and binds, which is SMPP's word for logging in. A bind
// is a transmitter (ESME to SMSC only), a receiver (SMSC to ESME only) or a transceiver (both).
// A centre that has something for an ESME that is not there may call it and say [Outbind]; the
// ESME then binds over that connection.
//
// # PDUs
//
// Everything on the wire is a protocol data unit: a header of 16 octets ([Header]: length,
// command_id, command_status, sequence_number), mandatory parameters in a fixed order, and
// optional parameters as tag, length, value ([TLV]). Nearly every request is answered by a response
// with the same sequence number and a command_status ([Status]), in any order. What cannot be
// answered in its own kind is answered by [GenericNack]. [Table] holds every PDU as data; the codec, the
// names, the page testdata/pdus.txt and the tests are all derived from it.
//
// # A message, there and back
//
// The ESME sends [SubmitSM]; the centre takes it and names it in [SubmitSMResp]. Up to a window
// of requests may be on their way at once; with a round trip of 20 ms a window of 10 allows 500 messages
// a second. Later the centre reports the message's fate in a [DeliverSM] that is marked as a
// receipt and carries a text such as
//
//	id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:hello
//
// ([ParseReceipt]). A message written on a handset (MO) arrives as [DeliverSM] too, without the mark.
// Each end checks with [EnquireLink] that the other is alive, and says [Unbind] before it leaves.
//
// # Use
//
// [Dial] binds as an ESME, a [Server] takes binds as a centre; both give a [Session], which is the
// same at both ends:
//
//	s, _, err := smpp.Dial(ctx, smpp.DialConfig{Addr: "smsc.example:2775",
//		Bind: smpp.BindConfig{Kind: smpp.BindTransceiver, SystemID: "pizza", Password: "secret"}})
//	...
//	resp, err := s.Do(ctx, &smpp.SubmitSM{Dest: smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "14255550100"},
//		ShortMessage: []byte("your pizza is ready")})
//	id := resp.PDU.(*smpp.SubmitSMResp).MessageID
//
// What an error of Do says about the message: [ErrNotSent], no octet of it left; [ErrUnknown], it may
// or may not have arrived; a [Status], the peer refused it; a [NackError], the peer did not understand it.
//
// # What is followed, and what is left out
//
// SMPP Protocol Specification v3.4 issue 1.2, cited as SMPP 3.4 §n, with the statuses that version
// 5.0 added. Left out: cell broadcast (broadcast_sm and its family) and the optional
// parameters that only 5.0 defines; such a TLV is carried like any other, by number. The
// character coding of short_message and its user data header belong to another standard and another package.
package smpp
