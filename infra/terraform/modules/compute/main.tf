# Batch on Fargate Spot: nothing runs, and nothing is paid for, while no job is queued.
resource "aws_ecr_repository" "pipeline" {
  name                 = "${var.prefix}-potato"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.protect

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "pipeline" {
  repository = aws_ecr_repository.pipeline.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The last ten images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 10 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_batch_compute_environment" "spot" {
  compute_environment_name = "${var.prefix}-spot"
  type                     = "MANAGED"
  state                    = "ENABLED"

  compute_resources {
    type               = "FARGATE_SPOT"
    max_vcpus          = 16
    subnets            = aws_subnet.private[*].id
    security_group_ids = [aws_security_group.jobs.id]
  }
}

resource "aws_batch_job_queue" "pipeline" {
  name     = "${var.prefix}-pipeline"
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.spot.arn
  }
}

resource "aws_batch_job_definition" "pipeline" {
  name                  = "${var.prefix}-pipeline"
  type                  = "container"
  platform_capabilities = ["FARGATE"]
  propagate_tags        = true

  container_properties = jsonencode({
    image            = "${aws_ecr_repository.pipeline.repository_url}:${var.image_tag}"
    executionRoleArn = aws_iam_role.this["execution"].arn
    jobRoleArn       = aws_iam_role.this["job"].arn
    environment      = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]

    resourceRequirements = [
      { type = "VCPU", value = "2" },
      { type = "MEMORY", value = "8192" },
    ]

    networkConfiguration         = { assignPublicIp = "DISABLED" }
    fargatePlatformConfiguration = { platformVersion = "LATEST" }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = var.log_group.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "batch"
      }
    }
  })

  # Spot takes machines back. A run that was cut off starts again; one that failed by itself does not.
  retry_strategy {
    attempts = 3

    evaluate_on_exit {
      on_status_reason = "Your Spot Task was interrupted*"
      action           = "RETRY"
    }

    evaluate_on_exit {
      on_reason = "*"
      action    = "EXIT"
    }
  }

  timeout {
    attempt_duration_seconds = 4 * 3600 # the recovery time objective: a run that takes longer is lost anyway
  }
}
