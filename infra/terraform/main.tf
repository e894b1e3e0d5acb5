data "aws_caller_identity" "this" {}

locals {
  account_id = data.aws_caller_identity.this.account_id

  # Read by policies, too: what carries this Project is ours.
  tags = {
    Project   = var.prefix
    Component = "potato-weight-nutrition"
    ManagedBy = "terraform"
  }

  # What the pipeline is told, wherever it runs: as a job, or by hand after `make infra.output`.
  environment = {
    AWS_DEFAULT_REGION           = var.region
    MLFLOW_DEFAULT_ARTIFACT_ROOT = "s3://${module.mlflow.bucket}"
    MLFLOW_TRACKING_URI          = "dynamodb://${module.mlflow.table}"
    POTATO_LAKE                  = "s3://${module.lake.bucket}"
    POTATO_LOG_GROUP             = module.observability.log_group
  }

  # The pipeline's rights, wherever it runs: in a workflow or as a job. Data, table and logs of this project only.
  pipeline_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FindData"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"]
        Resource = [module.lake.arn, module.mlflow.arn]
      },
      {
        Sid      = "Data"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = ["${module.lake.arn}/*", "${module.mlflow.arn}/experiments/*", "${module.mlflow.arn}/models/*"]
      },
      {
        Sid    = "Runs"
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan",
          "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem",
        ]
        Resource = module.mlflow.table_arn
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        Resource = "${module.observability.log_group_arn}:*"
      },
      {
        Sid       = "KeyOfTheData"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = module.key.arn
        Condition = { StringEquals = { "kms:ViaService" = ["s3.${var.region}.amazonaws.com", "dynamodb.${var.region}.amazonaws.com"] } }
      },
    ]
  })
}

module "key" {
  source = "./modules/key"

  alias      = "${var.prefix}-potato"
  account_id = local.account_id
  region     = var.region
  log_groups = "/${var.prefix}/"
}

module "access_logs" {
  source = "./modules/bucket"

  name               = "${var.prefix}-access-logs-"
  log_source_account = local.account_id
  noncurrent_days    = 7
  expire_days        = var.log_retention_days
  force_destroy      = !var.protect
}

module "lake" {
  source = "./modules/lake"

  prefix               = var.prefix
  kms_key_arn          = module.key.arn
  log_bucket           = module.access_logs.log_target
  noncurrent_days      = var.noncurrent_days
  bronze_archive_class = var.bronze_archive_class
  force_destroy        = !var.protect
}

module "mlflow" {
  source = "./modules/mlflow"

  prefix          = var.prefix
  kms_key_arn     = module.key.arn
  log_bucket      = module.access_logs.log_target
  noncurrent_days = var.noncurrent_days
  protect         = var.protect
  replica         = var.replication ? { region = var.backup_region, kms_key_arn = module.backup_key[0].arn } : null
}

module "observability" {
  source = "./modules/observability"

  prefix           = var.prefix
  kms_key_arn      = module.key.arn
  retention_days   = var.log_retention_days
  stale_after_days = var.stale_after_days
  table            = module.mlflow.table
  email            = var.alarm_email
}

module "identity" {
  source = "./modules/identity"

  prefix          = var.prefix
  account_id      = local.account_id
  regions         = [var.region, var.backup_region]
  repository      = { name = var.github_repository, owner_id = var.github_owner_id, id = var.github_repository_id }
  environment     = var.github_environment
  provider_arn    = var.github_provider_arn
  pipeline_policy = local.pipeline_policy
}

module "compute" {
  source = "./modules/compute"
  count  = var.compute ? 1 : 0

  prefix          = var.prefix
  account_id      = local.account_id
  region          = var.region
  vpc_cidr        = var.vpc_cidr
  kms_key_arn     = module.key.arn
  bucket_arns     = [module.lake.arn, module.mlflow.arn]
  table_arn       = module.mlflow.table_arn
  log_group       = { name = module.observability.log_group, arn = module.observability.log_group_arn }
  retention_days  = var.log_retention_days
  boundary_arn    = module.identity.boundary_arn
  pipeline_policy = local.pipeline_policy
  image_tag       = var.image_tag
  protect         = var.protect
  environment     = local.environment
}

module "backup_key" {
  source    = "./modules/key"
  count     = var.replication ? 1 : 0
  providers = { aws = aws.backup }

  alias      = "${var.prefix}-potato"
  account_id = local.account_id
  region     = var.backup_region
  log_groups = "/${var.prefix}/"
}

module "replica" {
  source    = "./modules/replica"
  count     = var.replication ? 1 : 0
  providers = { aws = aws, aws.backup = aws.backup }

  prefix             = var.prefix
  account_id         = local.account_id
  kms_key_arn        = module.key.arn
  replica_key_arn    = module.backup_key[0].arn
  archive_class      = var.archive_class
  log_retention_days = var.log_retention_days
  boundary_arn       = module.identity.boundary_arn
  force_destroy      = !var.protect

  sources = {
    lake   = { name = module.lake.bucket, arn = module.lake.arn, versioning = module.lake.versioning }
    mlflow = { name = module.mlflow.bucket, arn = module.mlflow.arn, versioning = module.mlflow.versioning }
  }
}
