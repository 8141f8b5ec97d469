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
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN deploy/image/build /image

# Nothing but the program, which needs nobody: no shell, no libraries, no package manager.
FROM scratch
COPY --from=build /image/usr /usr
COPY --from=build /image/etc /etc
COPY --from=build --chown=65532:65532 /image/var /var
ENV DUOLOGUE__SERVER__STATE_DIR=/var/lib/duologue PATH=/usr/local/bin
USER 65532:65532
WORKDIR /var/lib/duologue
VOLUME /var/lib/duologue
EXPOSE 8443/tcp 3478/udp 3478/tcp 5349/tcp
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["duologue", "healthcheck"]
ENTRYPOINT ["duologue"]
CMD ["serve"]
