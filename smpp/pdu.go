package smpp

import "fmt"

// CommandID is a command_id: the kind of a PDU (SMPP 3.4 §5.1.2.1).
type CommandID uint32

// ResponseBit is set in the command_id of every response and of generic_nack.
const ResponseBit CommandID = 0x80000000

// The commands of SMPP 3.4.
const (
	CommandGenericNack         CommandID = 0x80000000
	CommandBindReceiver        CommandID = 0x00000001
	CommandBindReceiverResp    CommandID = 0x80000001
	CommandBindTransmitter     CommandID = 0x00000002
	CommandBindTransmitterResp CommandID = 0x80000002
	CommandQuerySM             CommandID = 0x00000003
	CommandQuerySMResp         CommandID = 0x80000003
	CommandSubmitSM            CommandID = 0x00000004
	CommandSubmitSMResp        CommandID = 0x80000004
	CommandDeliverSM           CommandID = 0x00000005
	CommandDeliverSMResp       CommandID = 0x80000005
	CommandUnbind              CommandID = 0x00000006
	CommandUnbindResp          CommandID = 0x80000006
	CommandReplaceSM           CommandID = 0x00000007
	CommandReplaceSMResp       CommandID = 0x80000007
	CommandCancelSM            CommandID = 0x00000008
	CommandCancelSMResp        CommandID = 0x80000008
	CommandBindTransceiver     CommandID = 0x00000009
	CommandBindTransceiverResp CommandID = 0x80000009
	CommandOutbind             CommandID = 0x0000000B
	CommandEnquireLink         CommandID = 0x00000015
	CommandEnquireLinkResp     CommandID = 0x80000015
	CommandSubmitMulti         CommandID = 0x00000021
	CommandSubmitMultiResp     CommandID = 0x80000021
	CommandAlertNotification   CommandID = 0x00000102
	CommandDataSM              CommandID = 0x00000103
	CommandDataSMResp          CommandID = 0x80000103
)

// String returns the standard's name, such as "submit_sm", or the number as "0x00000111".
func (id CommandID) String() string {
	if s := specOf(id); s != nil {
		return s.Name
	}
	return fmt.Sprintf("0x%08X", uint32(id))
}

// IsResponse reports that id is a response or generic_nack.
func (id CommandID) IsResponse() bool { return id&ResponseBit != 0 }

// PDU is the body of a protocol data unit: a pointer to one of the structs of this package.
type PDU interface {
	// CommandID returns the command_id the body belongs to.
	CommandID() CommandID
}

// Bind is bind_transmitter, bind_receiver or bind_transceiver (SMPP 3.4 §4.1).
type Bind struct {
	Kind             BindKind
	SystemID         string // at most 15 octets
	Password         string // at most 8 octets
	SystemType       string // at most 12 octets
	InterfaceVersion uint8  // Version34
	AddrTON          uint8  // of the addresses the ESME serves
	AddrNPI          uint8
	AddressRange     string // at most 40 octets
}

// BindResp answers a Bind of the same kind.
type BindResp struct {
	Kind     BindKind
	SystemID string // of the SMSC, at most 15 octets
	TLVs     TLVs   // SC_interface_version
}

// Version returns the centre's SC_interface_version; a centre that gives none is held to speak 3.3 (SMPP 3.4 §4.1.2).
func (p *BindResp) Version() uint8 {
	if v, ok := p.TLVs.Uint8(TagSCInterfaceVersion); ok {
		return v
	}
	return Version33
}

// Outbind asks an ESME to bind as a receiver (SMPP 3.4 §4.1.7). It has no response.
type Outbind struct {
	SystemID string // of the SMSC, at most 15 octets
	Password string // at most 8 octets
}

// Unbind ends a bind (SMPP 3.4 §4.2).
type Unbind struct{}

// UnbindResp answers Unbind.
type UnbindResp struct{}

// GenericNack answers what cannot be answered in its own kind (SMPP 3.4 §4.3).
type GenericNack struct{}

// SubmitSM is submit_sm: an ESME gives a message to the centre (SMPP 3.4 §4.4.1).
type SubmitSM struct {
	ServiceType          string // at most 5 octets; "" is the centre's default
	Source               Address
	Dest                 Address
	ESMClass             ESMClass
	ProtocolID           uint8  // TP-PID on GSM
	PriorityFlag         uint8  // 0 lowest to 3 highest
	ScheduleDeliveryTime string // "" at once, or 16 characters as ParseTime reads
	ValidityPeriod       string // "" the centre's default, or 16 characters as ParseTime reads
	RegisteredDelivery   RegisteredDelivery
	ReplaceIfPresentFlag uint8  // 0 or 1
	DataCoding           uint8  // DCS
	SMDefaultMsgID       uint8  // a predefined message, 0 for none
	ShortMessage         []byte // at most 254 octets; empty if message_payload is used
	TLVs                 TLVs
}

// SubmitSMResp answers SubmitSM.
type SubmitSMResp struct {
	MessageID string // the centre's name for the message, at most 64 octets
	TLVs      TLVs   // not in 3.4; 5.0 allows them
}

// DeliverSM is deliver_sm: the centre hands over a message from a handset, or a receipt (SMPP 3.4 §4.6.1).
// Its fields are those of SubmitSM; some are always empty.
type DeliverSM struct {
	ServiceType          string // at most 5 octets
	Source               Address
	Dest                 Address
	ESMClass             ESMClass
	ProtocolID           uint8
	PriorityFlag         uint8
	ScheduleDeliveryTime string // unused, ""
	ValidityPeriod       string // unused, ""
	RegisteredDelivery   RegisteredDelivery
	ReplaceIfPresentFlag uint8 // unused, 0
	DataCoding           uint8
	SMDefaultMsgID       uint8 // unused, 0
	ShortMessage         []byte
	TLVs                 TLVs
}

// DeliverSMResp answers DeliverSM.
type DeliverSMResp struct {
	MessageID string // unused, ""
	TLVs      TLVs   // not in 3.4; 5.0 allows them
}

// DataSM is data_sm: a message in either direction with few mandatory parameters (SMPP 3.4 §4.7.1).
// The text is in the TLV message_payload.
type DataSM struct {
	ServiceType        string  // at most 5 octets
	Source             Address // at most 64 octets
	Dest               Address // at most 64 octets
	ESMClass           ESMClass
	RegisteredDelivery RegisteredDelivery
	DataCoding         uint8
	TLVs               TLVs
}

// DataSMResp answers DataSM.
type DataSMResp struct {
	MessageID string // at most 64 octets
	TLVs      TLVs   // delivery_failure_reason, network_error_code, additional_status_info_text, dpf_result
}

// SubmitMulti is submit_multi: one message to many (SMPP 3.4 §4.5.1).
type SubmitMulti struct {
	ServiceType          string
	Source               Address
	Dests                []Destination // 1 to 254
	ESMClass             ESMClass
	ProtocolID           uint8
	PriorityFlag         uint8
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   RegisteredDelivery
	ReplaceIfPresentFlag uint8
	DataCoding           uint8
	SMDefaultMsgID       uint8
	ShortMessage         []byte
	TLVs                 TLVs
}

// Destination is one dest_address of submit_multi: an address, or the name of a distribution list kept at the centre.
type Destination struct {
	Address
	List string // if not "", a distribution list, at most 20 octets; Address is then unused
}

// SubmitMultiResp answers SubmitMulti.
type SubmitMultiResp struct {
	MessageID string      // at most 64 octets
	Failed    []Unsuccess // unsuccess_sme, at most 255
	TLVs      TLVs        // not in 3.4; 5.0 allows them
}

// Unsuccess is one destination that submit_multi did not reach.
type Unsuccess struct {
	Address
	Status Status
}

// QuerySM asks for the state of a message (SMPP 3.4 §4.8.1).
type QuerySM struct {
	MessageID string // at most 64 octets
	Source    Address
}

// QuerySMResp answers QuerySM.
type QuerySMResp struct {
	MessageID    string
	FinalDate    string // "" while the message is under way
	MessageState MessageState
	ErrorCode    uint8 // network error, 0 for none
}

// CancelSM withdraws a message, or all with the same addresses and service type (SMPP 3.4 §4.9.1).
type CancelSM struct {
	ServiceType string
	MessageID   string // "" to cancel by addresses
	Source      Address
	Dest        Address
}

// CancelSMResp answers CancelSM.
type CancelSMResp struct{}

// ReplaceSM changes a message that is not delivered yet (SMPP 3.4 §4.10.1).
type ReplaceSM struct {
	MessageID            string
	Source               Address
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   RegisteredDelivery
	SMDefaultMsgID       uint8
	ShortMessage         []byte // at most 254 octets
}

// ReplaceSMResp answers ReplaceSM.
type ReplaceSMResp struct{}

// EnquireLink asks whether the peer is alive (SMPP 3.4 §4.11).
type EnquireLink struct{}

// EnquireLinkResp answers EnquireLink.
type EnquireLinkResp struct{}

// AlertNotification tells that a handset has become reachable (SMPP 3.4 §4.12.1). It has no response.
type AlertNotification struct {
	Source Address // the handset, at most 64 octets
	ESME   Address // who asked, at most 64 octets
	TLVs   TLVs    // ms_availability_status
}

// CommandID returns the command of the bind's kind.
func (p *Bind) CommandID() CommandID {
	switch p.Kind {
	case BindTransmitter:
		return CommandBindTransmitter
	case BindReceiver:
		return CommandBindReceiver
	}
	return CommandBindTransceiver
}

// CommandID returns the response to the bind's kind.
func (p *BindResp) CommandID() CommandID { return (&Bind{Kind: p.Kind}).CommandID() | ResponseBit }

// The command each struct belongs to.

func (*Outbind) CommandID() CommandID           { return CommandOutbind }
func (*Unbind) CommandID() CommandID            { return CommandUnbind }
func (*UnbindResp) CommandID() CommandID        { return CommandUnbindResp }
func (*GenericNack) CommandID() CommandID       { return CommandGenericNack }
func (*SubmitSM) CommandID() CommandID          { return CommandSubmitSM }
func (*SubmitSMResp) CommandID() CommandID      { return CommandSubmitSMResp }
func (*DeliverSM) CommandID() CommandID         { return CommandDeliverSM }
func (*DeliverSMResp) CommandID() CommandID     { return CommandDeliverSMResp }
func (*DataSM) CommandID() CommandID            { return CommandDataSM }
func (*DataSMResp) CommandID() CommandID        { return CommandDataSMResp }
func (*SubmitMulti) CommandID() CommandID       { return CommandSubmitMulti }
func (*SubmitMultiResp) CommandID() CommandID   { return CommandSubmitMultiResp }
func (*QuerySM) CommandID() CommandID           { return CommandQuerySM }
func (*QuerySMResp) CommandID() CommandID       { return CommandQuerySMResp }
func (*CancelSM) CommandID() CommandID          { return CommandCancelSM }
func (*CancelSMResp) CommandID() CommandID      { return CommandCancelSMResp }
func (*ReplaceSM) CommandID() CommandID         { return CommandReplaceSM }
func (*ReplaceSMResp) CommandID() CommandID     { return CommandReplaceSMResp }
func (*EnquireLink) CommandID() CommandID       { return CommandEnquireLink }
func (*EnquireLinkResp) CommandID() CommandID   { return CommandEnquireLinkResp }
func (*AlertNotification) CommandID() CommandID { return CommandAlertNotification }

// Message returns the text of the message, wherever it is: short_message, or message_payload if that is empty.
func (p *SubmitSM) Message() []byte { return messageOf(p.ShortMessage, p.TLVs) }

// Message returns the text of the message, wherever it is: short_message, or message_payload if that is empty.
func (p *DeliverSM) Message() []byte { return messageOf(p.ShortMessage, p.TLVs) }

// Message returns the text of the message, wherever it is: short_message, or message_payload if that is empty.
func (p *SubmitMulti) Message() []byte { return messageOf(p.ShortMessage, p.TLVs) }

// Message returns message_payload.
func (p *DataSM) Message() []byte { return messageOf(nil, p.TLVs) }

// SetMessage puts the text into short_message if it fits, else into message_payload.
func (p *SubmitSM) SetMessage(text []byte) { setMessage(&p.ShortMessage, &p.TLVs, text) }

// SetMessage puts the text into short_message if it fits, else into message_payload.
func (p *DeliverSM) SetMessage(text []byte) { setMessage(&p.ShortMessage, &p.TLVs, text) }

// SetMessage puts the text into short_message if it fits, else into message_payload.
func (p *SubmitMulti) SetMessage(text []byte) { setMessage(&p.ShortMessage, &p.TLVs, text) }

// SetMessage puts the text into message_payload.
func (p *DataSM) SetMessage(text []byte) { p.TLVs.Set(TagMessagePayload, text) }

func messageOf(short []byte, t TLVs) []byte {
	if len(short) > 0 {
		return short
	}
	v, _ := t.Get(TagMessagePayload)
	return v
}

func setMessage(short *[]byte, t *TLVs, text []byte) {
	if len(text) > MaxShortMessage {
		*short = nil
		t.Set(TagMessagePayload, text)
		return
	}
	*short = text
	kept := (*t)[:0]
	for _, v := range *t {
		if v.Tag != TagMessagePayload {
			kept = append(kept, v)
		}
	}
	*t = kept
}
