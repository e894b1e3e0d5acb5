# Logs and alarms. The pipeline's log lines are JSON; what counts as a failure or a success is read off them.
variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts logs and alarms."
  type        = string
}

variable "retention_days" {
  description = "How many days logs are kept."
  type        = number
}

variable "stale_after_days" {
  description = "After how many days without a new gold an alarm goes off."
  type        = number
}

variable "table" {
  description = "MLflow's table."
  type        = string
}

variable "email" {
  description = "Who gets a mail; null for nobody."
  type        = string
}

locals {
  namespace = "${var.prefix}/potato"

  # Metrics of the pipeline: the pattern of their log lines.
  counted = {
    errors    = "{ $.level = \"error\" }"
    gold_runs = "{ ($.event = \"stage ran\") && ($.stage = \"gold\") }"
  }
}

resource "aws_cloudwatch_log_group" "pipeline" {
  name              = "/${var.prefix}/pipeline"
  retention_in_days = var.retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_metric_filter" "counted" {
  for_each       = local.counted
  name           = "${var.prefix}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.pipeline.name
  pattern        = each.value

  metric_transformation {
    name      = each.key
    namespace = local.namespace
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.prefix}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.email == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.prefix}-pipeline-errors"
  alarm_description   = "A stage of the pipeline logged an error. The log line names the run and the stage."
  namespace           = local.namespace
  metric_name         = "errors"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  depends_on = [aws_cloudwatch_log_metric_filter.counted]
}

resource "aws_cloudwatch_metric_alarm" "stale" {
  alarm_name          = "${var.prefix}-gold-stale"
  alarm_description   = "Gold was not made for ${var.stale_after_days} days: no run started, or none got through."
  namespace           = local.namespace
  metric_name         = "gold_runs"
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = var.stale_after_days
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  depends_on = [aws_cloudwatch_log_metric_filter.counted]
}

resource "aws_cloudwatch_metric_alarm" "throttled" {
  for_each = { reads = "ReadThrottleEvents", writes = "WriteThrottleEvents" }

  alarm_name          = "${var.prefix}-table-${each.key}-throttled"
  alarm_description   = "DynamoDB turned ${each.key} of MLflow's table away. Metrics of a run may be missing."
  namespace           = "AWS/DynamoDB"
  metric_name         = each.value
  dimensions          = { TableName = var.table }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

output "log_group" {
  description = "Where the pipeline logs."
  value       = aws_cloudwatch_log_group.pipeline.name
}

output "log_group_arn" {
  description = "The log group's ARN."
  value       = aws_cloudwatch_log_group.pipeline.arn
}

output "topic_arn" {
  description = "Where alarms go."
  value       = aws_sns_topic.alarms.arn
}
