//! SELECT over the table of answers: one relation or none, conditions, groups, order, limit.

use std::cmp::Ordering;

use pgwire::api::Type;
use sqlparser::ast::{self, GroupByExpr, LimitClause, OrderByKind, OrderBySort, SelectItem, SetExpr, TableFactor};

use super::catalog::{self, Relation};
use super::expression::{Expression, Given};
use super::scope::Scope;
use super::seen::Seen;
use super::value::{SqlError, Value};

/// A bound SELECT.
#[derive(Debug, Clone)]
pub struct Select {
    relation: Option<&'static Relation>,
    /// Columns of the result.
    pub columns: Vec<(String, Type)>,
    /// Types of the parameters.
    pub parameters: Vec<Type>,
    items: Vec<Expression>,
    condition: Option<Expression>,
    groups: Vec<Expression>,
    order: Vec<(Expression, bool)>,
    limit: Option<Expression>,
}

impl Select {
    /// Binds what the parser gave.
    ///
    /// # Errors
    /// 42P01, 42703, 42883 for what does not exist, 0A000 for what the simulated site cannot answer.
    pub fn bind(query: &ast::Query) -> Result<Self, SqlError> {
        let SetExpr::Select(select) = query.body.as_ref() else { return Err(SqlError::beyond(&query.body)) };
        if query.with.is_some() || select.having.is_some() || select.distinct.is_some() || select.into.is_some() {
            return Err(SqlError::beyond(query));
        }
        let relation = relation(&select.from)?;
        let mut scope = Scope::default();
        for (name, kind) in relation.map_or(&[][..], |relation| relation.columns) {
            scope.columns.push(((*name).to_owned(), kind.clone()));
        }
        let condition =
            select.selection.as_ref().map(|it| scope.bind(it, &Type::BOOL).map(|(it, _)| it)).transpose()?;
        let (columns, items) = projection(&mut scope, &select.projection)?;
        let groups = match &select.group_by {
            GroupByExpr::Expressions(list, _) => {
                list.iter().map(|it| by_item(&mut scope, it, &columns, &items)).collect::<Result<_, _>>()?
            }
            GroupByExpr::All(_) => return Err(SqlError::beyond(query)),
        };
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            None => Vec::new(),
            Some(OrderByKind::All(_)) => return Err(SqlError::beyond(query)),
            Some(OrderByKind::Expressions(list)) => list
                .iter()
                .map(|by| {
                    Ok((
                        by_item(&mut scope, &by.expr, &columns, &items)?,
                        !matches!(by.options.sort, Some(OrderBySort::Desc)),
                    ))
                })
                .collect::<Result<_, SqlError>>()?,
        };
        let limit = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset { limit, offset: None, .. }) => {
                limit.as_ref().map(|it| scope.bind(it, &Type::INT8).map(|(it, _)| it)).transpose()?
            }
            Some(other) => return Err(SqlError::beyond(other)),
        };
        Ok(Self { relation, columns, parameters: scope.parameters, items, condition, groups, order, limit })
    }

    /// The rows of the answer.
    pub fn rows(&self, seen: &Seen, parameters: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        let given = Given { seen, parameters, row: &[], group: &[] };
        let mut source = match self.relation {
            Some(relation) => (relation.rows)(seen)?,
            None => vec![Vec::new()],
        };
        if let Some(condition) = &self.condition {
            let mut kept = Vec::new();
            for row in source {
                if condition.value(Given { row: &row, ..given })?.holds() {
                    kept.push(row);
                }
            }
            source = kept;
        }
        let mut answers = Vec::new();
        for group in self.grouped(source, given)? {
            let given = Given { row: group.first().map_or(&[], Vec::as_slice), group: &group, ..given };
            let row = self.items.iter().map(|item| item.value(given)).collect::<Result<Vec<_>, _>>()?;
            let key = self.order.iter().map(|(by, _)| by.value(given)).collect::<Result<Vec<_>, _>>()?;
            answers.push((key, row));
        }
        answers.sort_by(|(one, _), (two, _)| self.compare(one, two));
        if let Some(limit) = &self.limit
            && let Value::Int(limit) = limit.value(given)?
        {
            answers.truncate(usize::try_from(limit).unwrap_or_default());
        }
        Ok(answers.into_iter().map(|(_, row)| row).collect())
    }

    /// The rows in groups; without groups and aggregates each row is one of its own.
    fn grouped(&self, rows: Vec<Vec<Value>>, given: Given<'_>) -> Result<Vec<Vec<Vec<Value>>>, SqlError> {
        if self.groups.is_empty() {
            let one = self.items.iter().any(Expression::aggregates);
            return Ok(if one { vec![rows] } else { rows.into_iter().map(|row| vec![row]).collect() });
        }
        let mut groups: Vec<(Vec<Value>, Vec<Vec<Value>>)> = Vec::new();
        for row in rows {
            let key =
                self.groups.iter().map(|by| by.value(Given { row: &row, ..given })).collect::<Result<Vec<_>, _>>()?;
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(row),
                None => groups.push((key, vec![row])),
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }

    /// Compares by the order's keys; NULL is the greatest, as in PostgreSQL.
    fn compare(&self, one: &[Value], two: &[Value]) -> Ordering {
        let by_key = self.order.iter().zip(one.iter().zip(two)).map(|((_, ascending), (one, two))| {
            let order = match (one, two) {
                (Value::Null, Value::Null) => Ordering::Equal,
                (Value::Null, _) => Ordering::Greater,
                (_, Value::Null) => Ordering::Less,
                _ => one.compare(two).unwrap_or(Ordering::Equal),
            };
            if *ascending { order } else { order.reverse() }
        });
        by_key.fold(Ordering::Equal, Ordering::then)
    }
}

fn relation(from: &[ast::TableWithJoins]) -> Result<Option<&'static Relation>, SqlError> {
    let [table] = from else {
        return if from.is_empty() { Ok(None) } else { Err(SqlError::beyond("more than one relation")) };
    };
    let TableFactor::Table { name, args, .. } = &table.relation else {
        return Err(SqlError::beyond(&table.relation));
    };
    if !table.joins.is_empty() {
        return Err(SqlError::beyond("a join"));
    }
    let name = name.to_string().to_lowercase().replace('"', "");
    let called = args.as_ref().map(|args| argument(&args.args));
    let found = catalog::find_relation(&name, called);
    found.map(Some).ok_or_else(|| SqlError::new("42P01", format!("relation \"{name}\" does not exist")))
}

/// The one argument that a function's rows may depend on: yes or no.
fn argument(arguments: &[ast::FunctionArg]) -> Option<bool> {
    match arguments {
        [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(value)))] => match value.value {
            ast::Value::Boolean(is) => Some(is),
            _ => None,
        },
        _ => None,
    }
}

type Projection = (Vec<(String, Type)>, Vec<Expression>);

fn projection(scope: &mut Scope, items: &[SelectItem]) -> Result<Projection, SqlError> {
    let (mut columns, mut expressions) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                columns.extend(scope.columns.iter().cloned());
                expressions.extend((0..scope.columns.len()).map(Expression::Column));
            }
            SelectItem::UnnamedExpr(expr) => {
                let (expression, kind) = scope.bind(expr, &Type::TEXT)?;
                columns.push((column_name(expr), kind));
                expressions.push(expression);
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let (expression, kind) = scope.bind(expr, &Type::TEXT)?;
                columns.push((alias.value.clone(), kind));
                expressions.push(expression);
            }
            other => return Err(SqlError::beyond(other)),
        }
    }
    Ok((columns, expressions))
}

/// An expression of ORDER BY or GROUP BY: a position or a name of the result, or an expression of its own.
fn by_item(
    scope: &mut Scope,
    expr: &ast::Expr,
    columns: &[(String, Type)],
    items: &[Expression],
) -> Result<Expression, SqlError> {
    let position = match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
            _ => None,
        },
        ast::Expr::Identifier(name) => columns.iter().position(|(column, _)| *column == name.value),
        _ => None,
    };
    match position.and_then(|position| items.get(position)) {
        Some(item) => Ok(item.clone()),
        None => scope.bind(expr, &Type::TEXT).map(|(expression, _)| expression),
    }
}

/// The name that PostgreSQL gives to a column without alias.
fn column_name(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::Identifier(name) => name.value.to_lowercase(),
        ast::Expr::CompoundIdentifier(names) => names.last().map_or_else(String::new, |name| name.value.to_lowercase()),
        ast::Expr::Function(function) => function.name.to_string().to_lowercase(),
        ast::Expr::Cast { expr, .. } | ast::Expr::Nested(expr) => column_name(expr),
        ast::Expr::Case { .. } => "case".to_owned(),
        _ => "?column?".to_owned(),
    }
}
