#!/bin/sh
# Makes a certificate for development: a small authority and a server certificate signed by it.
#
#   certs/make-local.sh [DIRECTORY [NAME...]]
#
# DIRECTORY is where the files go (default: the directory of this script). Each NAME is a further DNS name or IP
# address beside localhost, 127.0.0.1 and ::1. Needs openssl 1.1.1 or newer. See README.md.
set -eu

directory=${1:-$(dirname "$0")}
[ $# -eq 0 ] || shift

names='DNS:localhost,IP:127.0.0.1,IP:::1'
for name in "$@"; do
    case $name in
        *[!0-9A-Za-z.:-]*|'') echo "make-local.sh: '$name' is neither a DNS name nor an address" >&2; exit 2 ;;
        *:*) names="$names,IP:$name" ;;
        *[!0-9.]*) names="$names,DNS:$name" ;;
        *) names="$names,IP:$name" ;;
    esac
done

umask 077
mkdir -p "$directory"
scratch=$(mktemp -d)
# The authority's key lives only in here and goes with it, so nobody can sign anything else with it later.
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# 820 days: Apple's systems take no certificate that lives longer than 825.
days=820

cat > "$scratch/openssl.cnf" <<CONFIG
[req]
prompt = no
distinguished_name = subject
[subject]
CN = Duologue local CA $(date +%s)
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONFIG

key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

key "$scratch/ca-key.pem"
openssl req -new -x509 -sha256 -days "$days" -config "$scratch/openssl.cnf" -extensions authority \
    -key "$scratch/ca-key.pem" -out "$scratch/local-ca.pem"

key "$scratch/local-key.pem"
openssl req -new -sha256 -config "$scratch/openssl.cnf" -subj '/CN=Duologue local server' \
    -key "$scratch/local-key.pem" -out "$scratch/request.pem"
openssl x509 -req -sha256 -days "$days" -in "$scratch/request.pem" \
    -CA "$scratch/local-ca.pem" -CAkey "$scratch/ca-key.pem" -set_serial "0x$(openssl rand -hex 16)" \
    -extfile "$scratch/openssl.cnf" -extensions leaf -out "$scratch/local-cert.pem" 2> "$scratch/log" \
    || { cat "$scratch/log" >&2; exit 1; }

openssl verify -x509_strict -purpose sslserver -CAfile "$scratch/local-ca.pem" "$scratch/local-cert.pem" > /dev/null

for file in local-ca.pem local-key.pem local-cert.pem; do
    mv "$scratch/$file" "$directory/$file"
done
echo "made $directory/local-cert.pem and $directory/local-key.pem for $names"
echo "trust $directory/local-ca.pem in your browser"
