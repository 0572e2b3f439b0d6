package queue

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"korr/internal/atomicfile"
	"korr/internal/usage"
)

// Names of the server's own certificate, and how long it is valid.
const (
	certName  = "server.crt"
	keyName   = "server.key"
	certYears = 10
)

// certificate is the server's: the given files', or one of its own that it keeps in its folder. ca is what a client has
// to trust, in PEM; empty for a given certificate, which the system's authorities vouch for or the operator's do.
func (s *Settings) certificate() (ca string, c *tls.Config, err error) {
	if (s.Cert == "") != (s.Key == "") {
		return "", nil, usage.Errorf("--cert and --key go together")
	}
	cert, key := s.Cert, s.Key
	if cert == "" {
		cert, key = filepath.Join(s.Dir, certName), filepath.Join(s.Dir, keyName)
		if err := ownCertificate(cert, key, s.Host); err != nil {
			return "", nil, fmt.Errorf("queue: certificate: %w", err)
		}
		text, err := os.ReadFile(cert)
		if err != nil {
			return "", nil, fmt.Errorf("queue: certificate: %w", err)
		}
		ca = string(text)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return "", nil, usage.Errorf("certificate %s, key %s: %v", cert, key, err)
	}
	return ca, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}, nil
}

// ownCertificate makes a self-signed certificate for a host unless one for it is there.
func ownCertificate(cert, key, host string) error {
	text, err := os.ReadFile(cert)
	if err == nil {
		if block, _ := pem.Decode(text); block != nil {
			if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.VerifyHostname(host) == nil &&
				time.Now().Before(c.NotAfter) {
				return nil
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	t := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "korr queue " + host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(certYears, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0,
			1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = append(t.IPAddresses, ip)
	} else if !slices.Contains(t.DNSNames, host) {
		t.DNSNames = append(t.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, &t, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(
		atomicfile.WritePrivate(key, encodePEM("PRIVATE KEY", secret)),
		atomicfile.Write(cert, encodePEM("CERTIFICATE", der)),
	)
}

func encodePEM(kind string, der []byte) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}) // a buffer takes everything
	return b.Bytes()
}

// clientTLS trusts the join file's certificate, or the system's when it names none.
func (j *Join) clientTLS() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if j.CA == "" {
		return c, nil
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM([]byte(j.CA)) {
		return nil, usage.Errorf("queue %s: its certificate is no PEM: copy %s again", j.Host(), JoinName)
	}
	return c, nil
}
