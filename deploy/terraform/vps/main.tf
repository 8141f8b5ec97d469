# One virtual server at Hetzner Cloud, with its firewall. Another provider needs three things of the kind: a Debian 12 with a
# public address, these ports, and the rendered deploy/cloud-init/duologue.yaml as its user data.
#
#   export HCLOUD_TOKEN=...
#   terraform init && terraform apply -var domain=chat.example.org -var package_url=... -var package_sha256=... -var ssh_key=NAME
terraform {
  required_version = ">= 1.5"
  required_providers {
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = "~> 1.49"
    }
  }
}

locals {
  user_data = templatefile("${path.module}/../../cloud-init/duologue.yaml", {
    domain         = var.domain
    package_url    = var.package_url
    package_sha256 = var.package_sha256
    # The address lies on the machine's own interface.
    external = ""
  })
  everybody = ["0.0.0.0/0", "::/0"]
  open = {
    front-door  = { protocol = "tcp", port = "443" }
    turn-tcp    = { protocol = "tcp", port = "3478" }
    turn-udp    = { protocol = "udp", port = "3478" }
    relay       = { protocol = "udp", port = "49152-65535" }
  }
}

resource "hcloud_firewall" "duologue" {
  name = "duologue"

  dynamic "rule" {
    for_each = local.open
    content {
      description = rule.key
      direction   = "in"
      protocol    = rule.value.protocol
      port        = rule.value.port
      source_ips  = local.everybody
    }
  }

  dynamic "rule" {
    for_each = length(var.ssh_from) > 0 ? [var.ssh_from] : []
    content {
      description = "ssh"
      direction   = "in"
      protocol    = "tcp"
      port        = "22"
      source_ips  = rule.value
    }
  }
}

resource "hcloud_server" "duologue" {
  name         = "duologue"
  image        = "debian-12"
  server_type  = var.server_type
  location     = var.location
  ssh_keys     = var.ssh_key == "" ? [] : [var.ssh_key]
  firewall_ids = [hcloud_firewall.duologue.id]
  user_data    = local.user_data

  # A new text would throw the machine and all it remembers away; it is read at the first boot only.
  lifecycle {
    ignore_changes = [user_data]
  }
}
