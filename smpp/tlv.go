package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Tag names an optional parameter (SMPP 3.4 §5.3.2).
type Tag uint16

// The optional parameters of SMPP 3.4 §5.3.2.
const (
	TagDestAddrSubunit          Tag = 0x0005
	TagDestNetworkType          Tag = 0x0006
	TagDestBearerType           Tag = 0x0007
	TagDestTelematicsID         Tag = 0x0008
	TagSourceAddrSubunit        Tag = 0x000D
	TagSourceNetworkType        Tag = 0x000E
	TagSourceBearerType         Tag = 0x000F
	TagSourceTelematicsID       Tag = 0x0010
	TagQOSTimeToLive            Tag = 0x0017
	TagPayloadType              Tag = 0x0019
	TagAdditionalStatusInfoText Tag = 0x001D
	TagReceiptedMessageID       Tag = 0x001E
	TagMSMsgWaitFacilities      Tag = 0x0030
	TagPrivacyIndicator         Tag = 0x0201
	TagSourceSubaddress         Tag = 0x0202
	TagDestSubaddress           Tag = 0x0203
	TagUserMessageReference     Tag = 0x0204
	TagUserResponseCode         Tag = 0x0205
	TagSourcePort               Tag = 0x020A
	TagDestinationPort          Tag = 0x020B
	TagSARMsgRefNum             Tag = 0x020C
	TagLanguageIndicator        Tag = 0x020D
	TagSARTotalSegments         Tag = 0x020E
	TagSARSegmentSeqnum         Tag = 0x020F
	TagSCInterfaceVersion       Tag = 0x0210
	TagCallbackNumPresInd       Tag = 0x0302
	TagCallbackNumAtag          Tag = 0x0303
	TagNumberOfMessages         Tag = 0x0304
	TagCallbackNum              Tag = 0x0381
	TagDPFResult                Tag = 0x0420
	TagSetDPF                   Tag = 0x0421
	TagMSAvailabilityStatus     Tag = 0x0422
	TagNetworkErrorCode         Tag = 0x0423
	TagMessagePayload           Tag = 0x0424
	TagDeliveryFailureReason    Tag = 0x0425
	TagMoreMessagesToSend       Tag = 0x0426
	TagMessageState             Tag = 0x0427
	TagUSSDServiceOp            Tag = 0x0501
	TagDisplayTime              Tag = 0x1201
	TagSMSSignal                Tag = 0x1203
	TagMSValidity               Tag = 0x1204
	TagAlertOnMessageDelivery   Tag = 0x130C
	TagITSReplyType             Tag = 0x1380
	TagITSSessionInfo           Tag = 0x1383
)

// TagSpec is one row of the table of optional parameters.
type TagSpec struct {
	Tag      Tag
	Name     string // by the standard
	Min, Max int    // octets of the value, by the standard; not enforced on what arrives
}

// tagTable is ordered by number.
var tagTable = []TagSpec{
	{TagDestAddrSubunit, "dest_addr_subunit", 1, 1},
	{TagDestNetworkType, "dest_network_type", 1, 1},
	{TagDestBearerType, "dest_bearer_type", 1, 1},
	{TagDestTelematicsID, "dest_telematics_id", 2, 2},
	{TagSourceAddrSubunit, "source_addr_subunit", 1, 1},
	{TagSourceNetworkType, "source_network_type", 1, 1},
	{TagSourceBearerType, "source_bearer_type", 1, 1},
	{TagSourceTelematicsID, "source_telematics_id", 1, 1},
	{TagQOSTimeToLive, "qos_time_to_live", 4, 4},
	{TagPayloadType, "payload_type", 1, 1},
	{TagAdditionalStatusInfoText, "additional_status_info_text", 1, 256},
	{TagReceiptedMessageID, "receipted_message_id", 1, 65},
	{TagMSMsgWaitFacilities, "ms_msg_wait_facilities", 1, 1},
	{TagPrivacyIndicator, "privacy_indicator", 1, 1},
	{TagSourceSubaddress, "source_subaddress", 2, 23},
	{TagDestSubaddress, "dest_subaddress", 2, 23},
	{TagUserMessageReference, "user_message_reference", 2, 2},
	{TagUserResponseCode, "user_response_code", 1, 1},
	{TagSourcePort, "source_port", 2, 2},
	{TagDestinationPort, "destination_port", 2, 2},
	{TagSARMsgRefNum, "sar_msg_ref_num", 2, 2},
	{TagLanguageIndicator, "language_indicator", 1, 1},
	{TagSARTotalSegments, "sar_total_segments", 1, 1},
	{TagSARSegmentSeqnum, "sar_segment_seqnum", 1, 1},
	{TagSCInterfaceVersion, "SC_interface_version", 1, 1},
	{TagCallbackNumPresInd, "callback_num_pres_ind", 1, 1},
	{TagCallbackNumAtag, "callback_num_atag", 0, 65},
	{TagNumberOfMessages, "number_of_messages", 1, 1},
	{TagCallbackNum, "callback_num", 4, 19},
	{TagDPFResult, "dpf_result", 1, 1},
	{TagSetDPF, "set_dpf", 1, 1},
	{TagMSAvailabilityStatus, "ms_availability_status", 1, 1},
	{TagNetworkErrorCode, "network_error_code", 3, 3},
	{TagMessagePayload, "message_payload", 0, 65535},
	{TagDeliveryFailureReason, "delivery_failure_reason", 1, 1},
	{TagMoreMessagesToSend, "more_messages_to_send", 1, 1},
	{TagMessageState, "message_state", 1, 1},
	{TagUSSDServiceOp, "ussd_service_op", 1, 1},
	{TagDisplayTime, "display_time", 1, 1},
	{TagSMSSignal, "sms_signal", 2, 2},
	{TagMSValidity, "ms_validity", 1, 1},
	{TagAlertOnMessageDelivery, "alert_on_message_delivery", 0, 0},
	{TagITSReplyType, "its_reply_type", 1, 1},
	{TagITSSessionInfo, "its_session_info", 2, 2},
}

var tagIndex = func() map[Tag]*TagSpec {
	m := make(map[Tag]*TagSpec, len(tagTable))
	for i := range tagTable {
		m[tagTable[i].Tag] = &tagTable[i]
	}
	return m
}()

// Tags returns a copy of the table of optional parameters, ordered by number.
func Tags() []TagSpec { return append([]TagSpec(nil), tagTable...) }

// String returns the standard's name, such as "message_payload", or the number as "0x1400".
func (t Tag) String() string {
	if r := tagIndex[t]; r != nil {
		return r.Name
	}
	return fmt.Sprintf("0x%04X", uint16(t))
}

// TLV is one optional parameter: tag, length, value (SMPP 3.4 §3.2.4.1).
type TLV struct {
	Tag   Tag
	Value []byte // at most 65,535 octets
}

// MaxTLVs is the most optional parameters one PDU may carry, in either direction
// (docs/reference/reliability.md §2.4).
const MaxTLVs = 64

// TLVs are the optional parameters of a PDU in the order of the wire; a tag may occur more than once.
type TLVs []TLV

// Get returns the value of the first parameter with the tag.
func (t TLVs) Get(tag Tag) ([]byte, bool) {
	for i := range t {
		if t[i].Tag == tag {
			return t[i].Value, true
		}
	}
	return nil, false
}

// GetAll returns the values of all parameters with the tag, in order.
func (t TLVs) GetAll(tag Tag) [][]byte {
	var all [][]byte
	for i := range t {
		if t[i].Tag == tag {
			all = append(all, t[i].Value)
		}
	}
	return all
}

// Uint8 returns the first parameter with the tag as a number of one octet; false if absent or of another length.
func (t TLVs) Uint8(tag Tag) (uint8, bool) {
	v, ok := t.Get(tag)
	if !ok || len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// Uint16 returns the first parameter with the tag as a number of two octets; false if absent or of another length.
func (t TLVs) Uint16(tag Tag) (uint16, bool) {
	v, ok := t.Get(tag)
	if !ok || len(v) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(v), true
}

// Uint32 returns the first parameter with the tag as a number of four octets; false if absent or of another length.
func (t TLVs) Uint32(tag Tag) (uint32, bool) {
	v, ok := t.Get(tag)
	if !ok || len(v) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// String returns the first parameter with the tag as text up to its first NUL. A missing NUL is
// tolerated: some centres leave it out of receipted_message_id.
func (t TLVs) String(tag Tag) (string, bool) {
	v, ok := t.Get(tag)
	if !ok {
		return "", false
	}
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	return string(v), true
}

// Set gives the first parameter with the tag the value and removes its repetitions, or adds it at the end.
func (t *TLVs) Set(tag Tag, value []byte) {
	kept, found := (*t)[:0], false
	for _, v := range *t {
		if v.Tag == tag {
			if found {
				continue
			}
			v.Value, found = value, true
		}
		kept = append(kept, v)
	}
	if !found {
		kept = append(kept, TLV{tag, value})
	}
	*t = kept
}

// SetUint8 is Set with a number of one octet.
func (t *TLVs) SetUint8(tag Tag, v uint8) { t.Set(tag, []byte{v}) }

// SetUint16 is Set with a number of two octets.
func (t *TLVs) SetUint16(tag Tag, v uint16) { t.Set(tag, binary.BigEndian.AppendUint16(nil, v)) }

// SetUint32 is Set with a number of four octets.
func (t *TLVs) SetUint32(tag Tag, v uint32) { t.Set(tag, binary.BigEndian.AppendUint32(nil, v)) }

// SetString is Set with a C-octet string: the text and a NUL.
func (t *TLVs) SetString(tag Tag, v string) { t.Set(tag, append([]byte(v), 0)) }

// Add appends a parameter, whether or not the tag is there already.
func (t *TLVs) Add(tag Tag, value []byte) { *t = append(*t, TLV{tag, value}) }

func appendTLVs(dst []byte, t TLVs) ([]byte, error) {
	if len(t) > MaxTLVs {
		return dst, &EncodeError{Field: "optional parameters", Reason: fmt.Sprintf("%d of them, %d allowed", len(t), MaxTLVs)}
	}
	for i := range t {
		v := t[i].Value
		if len(v) > 0xFFFF {
			return dst, &EncodeError{Field: t[i].Tag.String(), Reason: fmt.Sprintf("%d octets, 65535 allowed", len(v))}
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(t[i].Tag))
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(v)))
		dst = append(dst, v...)
	}
	return dst, nil
}

// decodeTLVs reads b to its end. Values are parts of b.
func decodeTLVs(b []byte) (TLVs, *fieldError) {
	n := 0
	for rest := b; len(rest) > 0; n++ { // all is checked and counted before anything is allocated
		if len(rest) < 4 {
			return nil, &fieldError{StatusRINVOPTPARSTREAM, "optional parameters", "cut off inside tag or length"}
		}
		l := int(binary.BigEndian.Uint16(rest[2:]))
		if l > len(rest)-4 {
			return nil, &fieldError{StatusRINVOPTPARSTREAM, Tag(binary.BigEndian.Uint16(rest)).String(), "length points beyond the PDU"}
		}
		if n == MaxTLVs {
			return nil, &fieldError{StatusRINVOPTPARSTREAM, "optional parameters", "too many"}
		}
		rest = rest[4+l:]
	}
	if n == 0 {
		return nil, nil
	}
	t := make(TLVs, n)
	for i := range t {
		l := int(binary.BigEndian.Uint16(b[2:]))
		t[i] = TLV{Tag(binary.BigEndian.Uint16(b)), b[4 : 4+l : 4+l]}
		b = b[4+l:]
	}
	return t, nil
}
