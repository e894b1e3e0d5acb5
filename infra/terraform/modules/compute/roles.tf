locals {
  services = {
    execution = "ecs-tasks.amazonaws.com" # starts a job: pulls the image, writes its log
    job       = "ecs-tasks.amazonaws.com" # what the pipeline does inside
    flows     = "vpc-flow-logs.amazonaws.com"
  }

  policies = {
    job = var.pipeline_policy

    execution = jsonencode({
      Version = "2012-10-17"
      Statement = [
        { Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
        {
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = aws_ecr_repository.pipeline.arn
        },
        { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${var.log_group.arn}:*" },
      ]
    })

    flows = jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        Resource = "${aws_cloudwatch_log_group.flows.arn}:*"
      }]
    })
  }
}

resource "aws_iam_role" "this" {
  for_each             = local.services
  name                 = "${var.prefix}-${each.key}"
  permissions_boundary = var.boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = each.value }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.services
  name     = "${var.prefix}-${each.key}"
  role     = aws_iam_role.this[each.key].id
  policy   = local.policies[each.key]
}
