# Private subnets without any way into the internet: no gateway, no NAT, no public address. What a job needs comes
# through endpoints: S3 and DynamoDB (free), and for the image and the log lines those of ECR and CloudWatch Logs.
data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:the first two by name are taken, and a new zone gets the last name
  state = "available"
}

resource "aws_vpc" "this" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # the endpoints answer under the services' own names

  tags = { Name = var.prefix }
}

# Spot capacity runs out zone by zone, so jobs have two to choose from.
resource "aws_subnet" "private" {
  count             = 2
  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(var.vpc_cidr, 1, count.index)
  availability_zone = data.aws_availability_zones.available.names[count.index]

  tags = { Name = "${var.prefix}-private-${count.index + 1}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.prefix}-private" }
}

resource "aws_route_table_association" "private" {
  count          = length(aws_subnet.private)
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

# Without rules: nothing gets in or out for want of a group of its own.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Principal = { AWS = "*" }, Action = "s3:*", Resource = concat(var.bucket_arns, [for arn in var.bucket_arns : "${arn}/*"]) },
      # The layers of images lie in a bucket of ECR's own.
      { Effect = "Allow", Principal = { AWS = "*" }, Action = "s3:GetObject", Resource = "arn:aws:s3:::prod-${var.region}-starport-layer-bucket/*" },
    ]
  })

  tags = { Name = "${var.prefix}-s3" }
}

resource "aws_vpc_endpoint" "dynamodb" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.dynamodb"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { AWS = "*" }, Action = "dynamodb:*", Resource = var.table_arn }]
  })

  tags = { Name = "${var.prefix}-dynamodb" }
}

# Each costs money by the hour in each zone. They stand in one zone, and jobs of the other reach them from there.
resource "aws_vpc_endpoint" "interface" {
  for_each            = toset(["ecr.api", "ecr.dkr", "logs"])
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [aws_subnet.private[0].id]
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true

  tags = { Name = "${var.prefix}-${each.value}" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.prefix}-endpoints"
  description = "Endpoints of ECR and CloudWatch Logs: jobs may call them"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.prefix}-endpoints" }
}

resource "aws_security_group" "jobs" {
  name        = "${var.prefix}-jobs"
  description = "Jobs of the pipeline: they call endpoints, and nobody calls them"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.prefix}-jobs" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "TLS from jobs"
  referenced_security_group_id = aws_security_group.jobs.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "interfaces" {
  security_group_id            = aws_security_group.jobs.id
  description                  = "TLS to the endpoints of ECR and CloudWatch Logs"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

data "aws_prefix_list" "gateways" {
  for_each = toset(["s3", "dynamodb"])
  name     = "com.amazonaws.${var.region}.${each.value}"
}

resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each          = data.aws_prefix_list.gateways
  security_group_id = aws_security_group.jobs.id
  description       = "TLS to ${each.key}"
  prefix_list_id    = each.value.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_cloudwatch_log_group" "flows" {
  name              = "/${var.prefix}/network"
  retention_in_days = var.retention_days
  kms_key_id        = var.kms_key_arn
}

# A private network that works refuses nothing; what it refuses is worth a look, and costs next to nothing.
resource "aws_flow_log" "refused" {
  vpc_id               = aws_vpc.this.id
  traffic_type         = "REJECT"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flows.arn
  iam_role_arn         = aws_iam_role.this["flows"].arn
}
