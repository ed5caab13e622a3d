package enrichment

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateLife is longer than a process runs. The keys are in memory only and end with it.
const certificateLife = 10 * 365 * 24 * time.Hour

// Certificates makes both ends of the connection between the proxy and the platform's on-network listener
// on 127.0.0.1: server asks for a certificate and takes only that of client, and the other way round. The
// authority that signs both exists for the length of this call, so nobody can ever join them.
func Certificates() (server, client *tls.Config, err error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, nil, fmt.Errorf("authority of the virtual data network: %w", err)
	}
	listener, err := authority.issue("on-network listener", x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of the on-network listener: %w", err)
	}
	proxy, err := authority.issue("enrichment proxy", x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of the enrichment proxy: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.cert)
	server = &tls.Config{Certificates: []tls.Certificate{listener}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	client = &tls.Config{Certificates: []tls.Certificate{proxy}, RootCAs: pool, MinVersion: tls.VersionTLS13}
	return server, client, nil
}

// authority signs certificates (RFC 5280).
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := template("virtual data network")
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero, t.KeyUsage = true, true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

// issue makes a certificate for one of the two ends.
func (a *authority) issue(name string, usage x509.ExtKeyUsage) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := template(name)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func template(name string) *x509.Certificate {
	now := time.Now() // not a clock that tests move: TLS itself asks the machine
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] &= 0x7f // positive (RFC 5280 §4.1.2.2)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
	}
}
