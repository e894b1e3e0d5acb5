# What MLflow keeps: artifacts in a bucket, everything else in a table.
module "bucket" {
  source = "../bucket"

  name            = "${var.prefix}-mlflow-artifacts-"
  kms_key_arn     = var.kms_key_arn
  log_bucket      = { name = var.log_bucket }
  noncurrent_days = var.noncurrent_days
  force_destroy   = !var.protect
}

resource "aws_dynamodb_table" "backend" {
  name         = "${var.prefix}-mlflow-backend"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "experiment_id"
  range_key    = "run_uuid"

  attribute {
    name = "experiment_id"
    type = "S"
  }

  attribute {
    name = "run_uuid"
    type = "S"
  }

  deletion_protection_enabled = var.protect

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  stream_enabled   = var.replica != null
  stream_view_type = var.replica == null ? null : "NEW_AND_OLD_IMAGES"

  dynamic "replica" {
    for_each = var.replica == null ? [] : [var.replica]
    content {
      region_name            = replica.value.region
      kms_key_arn            = replica.value.kms_key_arn
      point_in_time_recovery = true
      propagate_tags         = true
    }
  }
}
