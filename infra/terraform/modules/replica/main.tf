# The second region: a copy of each bucket, at most 15 minutes behind. What is current there stays readable at once, since
# recovery has four hours; what was replaced or deleted goes into the archive after a day and is kept for more than a year.
terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.backup]
    }
  }
}

locals {
  minutes = 15
}

module "logs" {
  source    = "../bucket"
  providers = { aws = aws.backup }

  name               = "${var.prefix}-replica-logs-"
  log_source_account = var.account_id
  noncurrent_days    = 7
  expire_days        = var.log_retention_days
  force_destroy      = var.force_destroy
}

module "bucket" {
  source    = "../bucket"
  for_each  = var.sources
  providers = { aws = aws.backup }

  name               = "${var.prefix}-${each.key}-replica-"
  kms_key_arn        = var.replica_key_arn
  log_bucket         = { name = module.logs.log_target }
  noncurrent_archive = var.archive_class
  noncurrent_days    = 400
  force_destroy      = var.force_destroy
}

resource "aws_iam_role" "replication" {
  name                 = "${var.prefix}-replication"
  description          = "S3 copies buckets into the second region"
  permissions_boundary = var.boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  name = "${var.prefix}-replication"
  role = aws_iam_role.replication.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:GetReplicationConfiguration", "s3:ListBucket"], Resource = [for s in var.sources : s.arn] },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
        Resource = [for s in var.sources : "${s.arn}/*"]
      },
      {
        Effect   = "Allow"
        Action   = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
        Resource = [for bucket in module.bucket : "${bucket.arn}/*"]
      },
      { Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn },
      { Effect = "Allow", Action = "kms:GenerateDataKey", Resource = var.replica_key_arn },
    ]
  })
}

resource "aws_s3_bucket_replication_configuration" "this" {
  for_each = var.sources
  bucket   = each.value.name
  role     = aws_iam_role.replication.arn

  rule {
    id       = "everything"
    status   = "Enabled"
    priority = 0
    filter {}

    # A deletion is repeated, and what was deleted stays below it as a version.
    delete_marker_replication {
      status = "Enabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = module.bucket[each.key].arn
      storage_class = "STANDARD_IA"

      encryption_configuration {
        replica_kms_key_id = var.replica_key_arn
      }

      replication_time {
        status = "Enabled"
        time {
          minutes = local.minutes
        }
      }

      metrics {
        status = "Enabled"
        event_threshold {
          minutes = local.minutes
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.versioning != "" && module.bucket[each.key].versioning != ""
      error_message = "Replication needs versions in ${each.value.name} and in its replica."
    }
  }
}

resource "aws_sns_topic" "alarms" {
  provider          = aws.backup
  name              = "${var.prefix}-replica-alarms"
  kms_master_key_id = var.replica_key_arn
}

# S3 publishes how far a replica is behind in the replica's region.
resource "aws_cloudwatch_metric_alarm" "behind" {
  provider = aws.backup
  for_each = var.sources

  alarm_name          = "${var.prefix}-${each.key}-replica-behind"
  alarm_description   = "The replica of ${each.value.name} is more than ${local.minutes} minutes behind."
  namespace           = "AWS/S3"
  metric_name         = "ReplicationLatency"
  dimensions          = { SourceBucket = each.value.name, DestinationBucket = module.bucket[each.key].name, RuleId = "everything" }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.minutes * 60
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

output "buckets" {
  description = "The replica of each bucket."
  value       = { for name, bucket in module.bucket : name => bucket.name }
}

output "topic_arn" {
  description = "Where alarms of the second region go."
  value       = aws_sns_topic.alarms.arn
}
