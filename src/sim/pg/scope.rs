//! From what the parser gives to expressions that are bound to columns, functions and parameters, with their types.

use pgwire::api::Type;
use sqlparser::ast::{self, BinaryOperator, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator};

use super::catalog;
use super::expression::{Aggregate, Expression};
use super::value::{SqlError, Value};

/// What is in scope where an expression stands.
#[derive(Debug, Default)]
pub struct Scope {
    /// Columns with their types.
    pub columns: Vec<(String, Type)>,
    /// Types of the parameters met so far.
    pub parameters: Vec<Type>,
}

impl Scope {
    /// Binds an expression; `wanted` is the type that its surroundings suggest for a bare parameter.
    pub fn bind(&mut self, expr: &ast::Expr, wanted: &Type) -> Result<(Expression, Type), SqlError> {
        match expr {
            ast::Expr::Nested(inner) => self.bind(inner, wanted),
            ast::Expr::Identifier(name) => self.name(&name.value),
            ast::Expr::CompoundIdentifier(names) => self.name(names.last().map_or("", |name| &name.value)),
            ast::Expr::Value(value) => self.constant(&value.value, wanted),
            ast::Expr::TypedString(typed) => {
                let kind = type_of(&typed.data_type)?;
                let text = Value::Text(typed.value.value.clone().into_string().unwrap_or_default());
                Ok((Expression::Constant(text.cast(&kind)?), kind))
            }
            ast::Expr::Cast { expr, data_type, .. } => {
                let kind = type_of(data_type)?;
                let (inner, _) = self.bind(expr, &kind)?;
                Ok((Expression::Cast(Box::new(inner), kind.clone()), kind))
            }
            ast::Expr::Function(function) => self.function(function),
            ast::Expr::UnaryOp { op, expr } => {
                let (inner, kind) = self.bind(expr, wanted)?;
                match op {
                    UnaryOperator::Not => Ok((Expression::Not(Box::new(inner)), Type::BOOL)),
                    UnaryOperator::Minus => Ok((Expression::Minus(Box::new(inner)), kind)),
                    _ => Err(SqlError::beyond(expr)),
                }
            }
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            ast::Expr::IsNull(inner) => self.condition(inner, Expression::IsNull),
            ast::Expr::IsNotNull(inner) => {
                self.condition(inner, |inner| Expression::Not(Box::new(Expression::IsNull(inner))))
            }
            ast::Expr::IsTrue(inner) => self.bind(inner, &Type::BOOL),
            ast::Expr::InList { expr, list, negated } => {
                let (one, kind) = self.bind(expr, wanted)?;
                let many =
                    list.iter().map(|each| self.bind(each, &kind).map(|(each, _)| each)).collect::<Result<_, _>>()?;
                Ok((negate(Expression::In(Box::new(one), many), *negated), Type::BOOL))
            }
            ast::Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                let (one, kind) = self.bind(left, &Type::TEXT)?;
                let many = if kind == Type::INT8 { Type::INT8_ARRAY } else { Type::TEXT_ARRAY };
                let (list, _) = self.bind(right, &many)?;
                Ok((Expression::Any(Box::new(one), Box::new(list)), Type::BOOL))
            }
            ast::Expr::Array(array) => {
                let texts = array.elem.iter().map(|each| match self.bind(each, &Type::TEXT)? {
                    (Expression::Constant(value), _) => Ok(value.text().unwrap_or_default()),
                    _ => Err(SqlError::beyond(each)),
                });
                Ok((Expression::Constant(Value::List(texts.collect::<Result<_, SqlError>>()?)), Type::TEXT_ARRAY))
            }
            ast::Expr::Like { negated, expr, pattern, .. } => self.like(expr, pattern, false, *negated),
            ast::Expr::ILike { negated, expr, pattern, .. } => self.like(expr, pattern, true, *negated),
            ast::Expr::Between { expr, negated, low, high } => {
                let (one, kind) = self.bind(expr, wanted)?;
                let (low, _) = self.bind(low, &kind)?;
                let (high, _) = self.bind(high, &kind)?;
                let above = Expression::Binary(Box::new(one.clone()), BinaryOperator::GtEq, Box::new(low));
                let below = Expression::Binary(Box::new(one), BinaryOperator::LtEq, Box::new(high));
                let both = Expression::Binary(Box::new(above), BinaryOperator::And, Box::new(below));
                Ok((negate(both, *negated), Type::BOOL))
            }
            ast::Expr::Case { operand: None, conditions, else_result, .. } => {
                let mut kind = Type::TEXT;
                let mut cases = Vec::new();
                for case in conditions {
                    let (condition, _) = self.bind(&case.condition, &Type::BOOL)?;
                    let (result, result_kind) = self.bind(&case.result, wanted)?;
                    kind = result_kind;
                    cases.push((condition, result));
                }
                let otherwise = match else_result {
                    Some(result) => Some(Box::new(self.bind(result, &kind)?.0)),
                    None => None,
                };
                Ok((Expression::Case(cases, otherwise), kind))
            }
            other => Err(SqlError::beyond(other)),
        }
    }

    fn name(&self, name: &str) -> Result<(Expression, Type), SqlError> {
        let name = name.to_lowercase();
        if let Some(position) = self.columns.iter().position(|(column, _)| *column == name) {
            return Ok((Expression::Column(position), self.columns[position].1.clone()));
        }
        // `current_user` and its like are functions without parentheses.
        match catalog::find_function(&name).filter(|_| name.starts_with("current_") || name.ends_with("user")) {
            Some(function) => Ok((Expression::Call(function, Vec::new()), function.kind.clone())),
            None => Err(SqlError::new("42703", format!("column \"{name}\" does not exist"))),
        }
    }

    fn constant(&mut self, value: &ast::Value, wanted: &Type) -> Result<(Expression, Type), SqlError> {
        let (value, kind) = match value {
            ast::Value::Null => (Value::Null, Type::TEXT),
            ast::Value::Boolean(is) => (Value::Bool(*is), Type::BOOL),
            ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => {
                (Value::Text(text.clone()).cast(wanted).unwrap_or_else(|_| Value::Text(text.clone())), wanted.clone())
            }
            ast::Value::Number(digits, _) => match digits.parse::<i64>() {
                Ok(number) if i32::try_from(number).is_ok() => (Value::Int(number), Type::INT4),
                Ok(number) => (Value::Int(number), Type::INT8),
                Err(_) => (Value::Text(digits.clone()).cast(&Type::FLOAT8)?, Type::FLOAT8),
            },
            ast::Value::Placeholder(name) => return self.parameter(name, wanted),
            other => return Err(SqlError::beyond(other)),
        };
        Ok((Expression::Constant(value), kind))
    }

    fn parameter(&mut self, name: &str, wanted: &Type) -> Result<(Expression, Type), SqlError> {
        let number = name.trim_start_matches('$').parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let number = number.ok_or_else(|| SqlError::new("42P02", format!("there is no parameter {name}")))?;
        if self.parameters.len() <= number {
            self.parameters.resize(number + 1, Type::TEXT);
        }
        self.parameters[number] = wanted.clone();
        Ok((Expression::Parameter(number), wanted.clone()))
    }

    fn function(&mut self, function: &ast::Function) -> Result<(Expression, Type), SqlError> {
        let name = function.name.to_string().to_lowercase();
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        let filter = match &function.filter {
            Some(filter) => Some(Box::new(self.bind(filter, &Type::BOOL)?.0)),
            None => None,
        };
        let mut arguments = Vec::new();
        if let FunctionArguments::List(list) = &function.args {
            for argument in &list.args {
                match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(self.bind(expr, &Type::TEXT)?),
                    FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                    other => return Err(SqlError::beyond(other)),
                }
            }
        }
        let first_kind = arguments.first().map(|(_, kind)| kind.clone());
        let mut arguments: Vec<_> = arguments.into_iter().map(|(argument, _)| argument).collect();
        if let Some(aggregate) = Aggregate::named(name) {
            let kind = match aggregate {
                Aggregate::Count => Type::INT8,
                Aggregate::Avg => Type::FLOAT8,
                Aggregate::Sum if first_kind.as_ref() == Some(&Type::INT4) => Type::INT8,
                _ => first_kind.unwrap_or(Type::INT8),
            };
            let argument = (!arguments.is_empty()).then(|| Box::new(arguments.swap_remove(0)));
            return Ok((Expression::Aggregate(aggregate, argument, filter), kind));
        }
        let found = catalog::find_function(name)
            .ok_or_else(|| SqlError::new("42883", format!("function {name}() does not exist at the simulated site")))?;
        let kind = if name == "coalesce" { first_kind.unwrap_or(Type::TEXT) } else { found.kind.clone() };
        Ok((Expression::Call(found, arguments), kind))
    }

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<(Expression, Type), SqlError> {
        use BinaryOperator as Op;
        // A bare constant or parameter takes the other side's type, whichever side it stands on.
        let (one, kind) = self.bind(left, &Type::TEXT)?;
        let (two, other) = self.bind(right, &kind)?;
        let (one, kind) = if is_bare(left) { self.bind(left, &other)? } else { (one, kind) };
        let result = match op {
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::And | Op::Or => Type::BOOL,
            Op::StringConcat => Type::TEXT,
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => {
                let float = kind == Type::FLOAT8 || other == Type::FLOAT8 || kind == Type::TIMESTAMPTZ;
                if float { Type::FLOAT8 } else { Type::INT8 }
            }
            _ => return Err(SqlError::beyond(op)),
        };
        Ok((Expression::Binary(Box::new(one), op.clone(), Box::new(two)), result))
    }

    fn condition(
        &mut self,
        inner: &ast::Expr,
        make: impl FnOnce(Box<Expression>) -> Expression,
    ) -> Result<(Expression, Type), SqlError> {
        let (inner, _) = self.bind(inner, &Type::TEXT)?;
        Ok((make(Box::new(inner)), Type::BOOL))
    }

    fn like(
        &mut self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        any_case: bool,
        negated: bool,
    ) -> Result<(Expression, Type), SqlError> {
        let (one, _) = self.bind(expr, &Type::TEXT)?;
        let (pattern, _) = self.bind(pattern, &Type::TEXT)?;
        Ok((negate(Expression::Like(Box::new(one), Box::new(pattern), any_case), negated), Type::BOOL))
    }
}

fn negate(expression: Expression, negated: bool) -> Expression {
    if negated { Expression::Not(Box::new(expression)) } else { expression }
}

fn is_bare(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(_))
}

/// The type that a name in a cast stands for.
fn type_of(data_type: &ast::DataType) -> Result<Type, SqlError> {
    let name = data_type.to_string().to_lowercase();
    Ok(match name.as_str() {
        "bool" | "boolean" => Type::BOOL,
        "smallint" | "int2" | "int" | "integer" | "int4" => Type::INT4,
        "bigint" | "int8" => Type::INT8,
        "oid" => Type::OID,
        "real" | "float4" | "double precision" | "float8" | "float" | "numeric" | "decimal" => Type::FLOAT8,
        "text" | "varchar" | "name" => Type::TEXT,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        "text[]" | "name[]" => Type::TEXT_ARRAY,
        _ => return Err(SqlError::beyond(format_args!("type {name}"))),
    })
}
