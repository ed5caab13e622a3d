package smpp

import "fmt"

// Address is an SMPP address: type of number, numbering plan, and the digits or letters (SMPP 3.4 §5.2.5-5.2.9).
type Address struct {
	TON  uint8
	NPI  uint8
	Addr string // at most 20 octets; 64 in data_sm and alert_notification
}

// String returns "ton:npi:addr".
func (a Address) String() string { return fmt.Sprintf("%d:%d:%s", a.TON, a.NPI, a.Addr) }

// Type of number (SMPP 3.4 §5.2.5).
const (
	TONUnknown          uint8 = 0
	TONInternational    uint8 = 1
	TONNational         uint8 = 2
	TONNetworkSpecific  uint8 = 3
	TONSubscriberNumber uint8 = 4
	TONAlphanumeric     uint8 = 5
	TONAbbreviated      uint8 = 6
)

// Numbering plan indicator (SMPP 3.4 §5.2.6).
const (
	NPIUnknown    uint8 = 0
	NPIISDN       uint8 = 1 // E.163, E.164
	NPIData       uint8 = 3 // X.121
	NPITelex      uint8 = 4 // F.69
	NPILandMobile uint8 = 6 // E.212
	NPINational   uint8 = 8
	NPIPrivate    uint8 = 9
	NPIERMES      uint8 = 10
	NPIInternet   uint8 = 14 // IP address
	NPIWAP        uint8 = 18 // WAP client id
)

// ESMClass is esm_class: messaging mode, message type and GSM features in one octet (SMPP 3.4 §5.2.12).
type ESMClass uint8

const (
	ModeDefault         ESMClass = 0x00 // the centre's default, usually store and forward
	ModeDatagram        ESMClass = 0x01
	ModeForward         ESMClass = 0x02 // transaction mode: the answer is the handset's
	ModeStoreAndForward ESMClass = 0x03

	TypeDefault           ESMClass = 0x00 // a message
	TypeReceipt           ESMClass = 0x04 // SMSC delivery receipt
	TypeDeliveryAck       ESMClass = 0x08 // SME delivery acknowledgement
	TypeUserAck           ESMClass = 0x10 // SME manual/user acknowledgement
	TypeConversationAbort ESMClass = 0x18 // Korean CDMA
	TypeIntermediate      ESMClass = 0x20 // intermediate delivery notification

	FeatureUDHI      ESMClass = 0x40 // short_message begins with a user data header
	FeatureReplyPath ESMClass = 0x80
)

// Mode returns the messaging mode, one of the Mode constants.
func (e ESMClass) Mode() ESMClass { return e & 0x03 }

// Type returns the message type, one of the Type constants.
func (e ESMClass) Type() ESMClass { return e & 0x3C }

// UDHI reports that the text begins with a user data header (3GPP TS 23.040 §9.2.3.24).
func (e ESMClass) UDHI() bool { return e&FeatureUDHI != 0 }

// ReplyPath reports that the reply path is set.
func (e ESMClass) ReplyPath() bool { return e&FeatureReplyPath != 0 }

// IsReceipt reports that the message type is a delivery receipt or an intermediate notification.
func (e ESMClass) IsReceipt() bool { t := e.Type(); return t == TypeReceipt || t == TypeIntermediate }

// RegisteredDelivery asks for receipts (SMPP 3.4 §5.2.17).
type RegisteredDelivery uint8

const (
	ReceiptNone      RegisteredDelivery = 0x00
	ReceiptAlways    RegisteredDelivery = 0x01 // final outcome, success or failure
	ReceiptOnFailure RegisteredDelivery = 0x02
	ReceiptOnSuccess RegisteredDelivery = 0x03 // SMPP 5.0 §4.7.21

	AckDelivery         RegisteredDelivery = 0x04 // SME delivery acknowledgement
	AckUser             RegisteredDelivery = 0x08 // SME manual/user acknowledgement
	NotifyIntermediate  RegisteredDelivery = 0x10
	receiptOutcomeMask  RegisteredDelivery = 0x03
	acknowledgementMask RegisteredDelivery = 0x0C
)

// Receipt returns which final outcomes are to be reported, one of the Receipt constants.
func (r RegisteredDelivery) Receipt() RegisteredDelivery { return r & receiptOutcomeMask }

// Acknowledgement returns which acknowledgements of the other SME are asked for.
func (r RegisteredDelivery) Acknowledgement() RegisteredDelivery { return r & acknowledgementMask }

// Intermediate reports that intermediate notifications are asked for.
func (r RegisteredDelivery) Intermediate() bool { return r&NotifyIntermediate != 0 }

// Wants reports that a receipt is asked for a message that was delivered (true) or failed (false).
func (r RegisteredDelivery) Wants(delivered bool) bool {
	switch r.Receipt() {
	case ReceiptAlways:
		return true
	case ReceiptOnFailure:
		return !delivered
	case ReceiptOnSuccess:
		return delivered
	}
	return false
}

// BindKind is the direction a bind is good for.
type BindKind uint8

const (
	BindTransceiver BindKind = iota // both ways, the zero value
	BindTransmitter                 // ESME to SMSC
	BindReceiver                    // SMSC to ESME
)

// String returns "transceiver", "transmitter" or "receiver".
func (k BindKind) String() string {
	switch k {
	case BindTransceiver:
		return "transceiver"
	case BindTransmitter:
		return "transmitter"
	case BindReceiver:
		return "receiver"
	}
	return fmt.Sprintf("bind-%d", uint8(k))
}

// The interface_version of SMPP 3.4, and of the older 3.3 and the newer 5.0 (SMPP 3.4 §5.2.4).
const (
	Version33 uint8 = 0x33
	Version34 uint8 = 0x34
	Version50 uint8 = 0x50
)
