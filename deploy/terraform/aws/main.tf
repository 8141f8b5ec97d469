# One instance at AWS with an address that stays, its ports, and a disk that survives the instance.
#
#   terraform init && terraform apply -var domain=chat.example.org -var package_url=... -var package_sha256=... \
#     -var vpc_id=... -var subnet_id=...        # a subnet that leads to the internet
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.80"
    }
  }
}

# What Debian says is its newest image.
data "aws_ssm_parameter" "debian" {
  name = "/aws/service/debian/release/12/latest/${var.architecture}"
}

locals {
  user_data = templatefile("${path.module}/../../cloud-init/duologue.yaml", {
    domain         = var.domain
    package_url    = var.package_url
    package_sha256 = var.package_sha256
    # An instance does not see its public address.
    external = aws_eip.duologue.public_ip
  })
  open = {
    front-door  = { protocol = "tcp", from = 443, to = 443 }
    turn-tcp    = { protocol = "tcp", from = 3478, to = 3478 }
    turn-udp    = { protocol = "udp", from = 3478, to = 3478 }
    relay       = { protocol = "udp", from = 49152, to = 65535 }
  }
}

resource "aws_eip" "duologue" {
  domain = "vpc"
  tags   = { Name = "duologue" }
}

resource "aws_eip_association" "duologue" {
  allocation_id = aws_eip.duologue.id
  instance_id   = aws_instance.duologue.id
}

resource "aws_security_group" "duologue" {
  name        = "duologue"
  description = "HTTPS, signaling, STUN, TURN and relayed addresses"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "open" {
  for_each          = local.open
  security_group_id = aws_security_group.duologue.id
  description       = each.key
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.duologue.id
  description       = "peers are anywhere"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_instance" "duologue" {
  ami                    = data.aws_ssm_parameter.debian.value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.duologue.id]
  user_data              = local.user_data
  iam_instance_profile   = var.instance_profile == "" ? null : var.instance_profile
  tags                   = { Name = "duologue" }

  # Only signed requests are told of the instance.
  metadata_options {
    http_tokens = "required"
  }

  root_block_device {
    volume_type           = "gp3"
    volume_size           = var.disk_gib
    encrypted             = true
    delete_on_termination = false
  }

  # A new image or text would throw the machine away; both are for the first boot only.
  lifecycle {
    ignore_changes = [ami, user_data]
  }
}
