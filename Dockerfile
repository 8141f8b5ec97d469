# The server as an image: docker build -t duologue .
#
#   docker run --network host -v duologue:/var/lib/duologue \
#     -e DUOLOGUE__SERVER__PUBLIC_HOST=chat.example.org duologue
#
# Host networking is the way to run a relay: a published range of UDP ports becomes one rule per port and hides where
# packets came from. Without it, set DUOLOGUE__RELAY__MODE=single-port and publish the listeners only.
#
# Ports (change them by DUOLOGUE__SECTION__KEY or a file given with --config):
#   8443/tcp          HTTPS, WSS, TURN over TLS and TCP: the shared front door
#   3478/udp, /tcp    STUN and TURN
#   5349/tcp          TURN over TLS
#   49152-65535/udp   relayed addresses, in "ports" mode
#   127.0.0.1:8080    plain HTTP for the health check; behind a proxy set DUOLOGUE__HTTP__LISTEN=0.0.0.0:8080

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin duologue

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin duologue \
    && install --directory --mode 0700 --owner duologue --group duologue /var/lib/duologue
COPY --from=build /src/target/release/duologue /usr/local/bin/duologue
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/duologue/
ENV DUOLOGUE__SERVER__STATE_DIR=/var/lib/duologue
USER duologue
WORKDIR /var/lib/duologue
VOLUME /var/lib/duologue
EXPOSE 8443/tcp 3478/udp 3478/tcp 5349/tcp
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["duologue", "healthcheck"]
ENTRYPOINT ["duologue"]
CMD ["serve"]
