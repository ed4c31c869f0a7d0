# syntax=docker/dockerfile:1
#
#   docker build --build-arg VERSION=v1.2.3 -t changegate .
#
# The image holds one static program, certificates, and a directory /data for a SQLite database. It runs as user 65532 and writes to
# nothing but /data. The target "backup" is the same program beside PostgreSQL's own, which back up and restore need:
#
#   docker build --target backup -t changegate-backup .

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN deploy/image/root.sh /image "$VERSION" && chown 65532:65532 /image/data

FROM postgres:17-bookworm AS backup
COPY --from=build /image/usr/local/bin/changegate /usr/local/bin/changegate
USER 65532:65532
WORKDIR /backups
ENTRYPOINT ["/usr/local/bin/changegate", "setup"]
CMD ["--help"]

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV CHANGEGATE_SERVER_ADDRESS=:8080 \
    CHANGEGATE_DATABASE_URL=sqlite:/data/changegate.db
EXPOSE 8080
# It asks /readyz of the server that has the same configuration as this command.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/changegate", "serve", "--probe"]
ENTRYPOINT ["/usr/local/bin/changegate"]
CMD ["serve"]
