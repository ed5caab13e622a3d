package smpp

import (
	"errors"
	"fmt"
	"time"
)

// Times on the wire are 16 characters, YYMMDDhhmmsstnnp (SMPP 3.4 §7.1.1): tenths of a second t, difference from UTC in
// quarter hours nn, and p: '+' or '-' for the sign of nn, 'R' for a time relative to the centre's clock.

// MaxRelativeTime is the longest time AppendRelativeTime can write without naming months, whose length is not the same for all.
const MaxRelativeTime = 32*24*time.Hour - time.Second

// AppendRelativeTime appends d, cut to whole seconds, in relative form, such as "000001000000000R" for a day.
// It refuses what is negative or above MaxRelativeTime.
func AppendRelativeTime(dst []byte, d time.Duration) ([]byte, error) {
	s := int(d / time.Second)
	if d < 0 || d > MaxRelativeTime {
		return dst, fmt.Errorf("relative time %s is not between 0 and %s", d, MaxRelativeTime)
	}
	dst = append(dst, "0000"...)
	for _, v := range [4]int{s / 86400, s / 3600 % 24, s / 60 % 60, s % 60} {
		dst = appendTwo(dst, v)
	}
	return append(dst, "000R"...), nil
}

// AppendAbsoluteTime appends t in absolute form, cut to tenths of a second, with the zone of t rounded to
// quarter hours. Years are 2000 to 2099.
func AppendAbsoluteTime(dst []byte, t time.Time) ([]byte, error) {
	_, offset := t.Zone()
	quarters := offset / 900
	t = t.In(time.FixedZone("", quarters*900))
	if y := t.Year(); y < 2000 || y > 2099 {
		return dst, fmt.Errorf("year %d is not between 2000 and 2099", y)
	}
	sign := byte('+')
	if quarters < 0 {
		sign, quarters = '-', -quarters
	}
	for _, v := range [6]int{t.Year() - 2000, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()} {
		dst = appendTwo(dst, v)
	}
	dst = append(dst, byte('0'+t.Nanosecond()/1e8))
	return append(appendTwo(dst, quarters), sign), nil
}

func appendTwo(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }

var errTime = errors.New("not a time as SMPP 3.4 §7.1.1 writes it")

// ParseTime reads an absolute or relative time; now is what a relative one is counted from. The empty string,
// which means "at once" or "the centre's default", is an error: the caller knows which of them it is.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if len(s) != 16 {
		return time.Time{}, fmt.Errorf("%q: %w", s, errTime)
	}
	var v [6]int
	for i := range v {
		n, ok := two(s[2*i:])
		if !ok {
			return time.Time{}, fmt.Errorf("%q: %w", s, errTime)
		}
		v[i] = n
	}
	tenth, quarters, sign := s[12], 0, s[15]
	if n, ok := two(s[13:]); ok && tenth >= '0' && tenth <= '9' {
		quarters = n
	} else {
		return time.Time{}, fmt.Errorf("%q: %w", s, errTime)
	}
	switch sign {
	case 'R':
		return now.AddDate(v[0], v[1], v[2]).Add(time.Duration(v[3])*time.Hour + time.Duration(v[4])*time.Minute + time.Duration(v[5])*time.Second), nil
	case '+', '-':
		if quarters > 48 {
			return time.Time{}, fmt.Errorf("%q: %w", s, errTime)
		}
		if sign == '-' {
			quarters = -quarters
		}
		t := time.Date(2000+v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], int(tenth-'0')*1e8, time.FixedZone("", quarters*900))
		if t.Month() != time.Month(v[1]) || t.Day() != v[2] || t.Hour() != v[3] || t.Minute() != v[4] || t.Second() != v[5] {
			return time.Time{}, fmt.Errorf("%q: %w", s, errTime) // a day or hour that does not exist
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q: %w", s, errTime)
}

func two(s string) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return 0, false
	}
	return int(a)*10 + int(b), true
}
